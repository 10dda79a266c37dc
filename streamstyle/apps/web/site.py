"""What is served, under which address."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from streamstyle.apps.web.clips import Clip, Store
from streamstyle.apps.web.gallery import Gallery
from streamstyle.apps.web.machine import Broadcast, Machine
from streamstyle.apps.web.visits import WAIT_SECONDS, Visit
from streamstyle.errors import StreamstyleError

PAGE = Path(__file__).parent / "page"
FILES = {  # all that is ever read from disk, by address
    "/": ("index.html", "text/html; charset=utf-8"),
    "/studio.css": ("studio.css", "text/css; charset=utf-8"),
    "/studio.js": ("studio.js", "text/javascript; charset=utf-8"),
    "/connection.js": ("connection.js", "text/javascript; charset=utf-8"),
    "/capture.js": ("capture.js", "text/javascript; charset=utf-8"),
    "/controls.js": ("controls.js", "text/javascript; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/sample.jpg": ("sample.jpg", "image/jpeg"),
}
UPLOAD_SECONDS = 20.0  # without a byte, before an upload is given up
TRY_AGAIN_LATER = 1013  # of the codes with which WebSockets end
_BOUNDARY = "picture"
_PART = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n".encode()


class Site:
    """The application (ASGI), without its door: see `access.Access`.

    Args:
        gallery: the styles.
        machine: the machine's camera, if there is one.
        folder: where uploads lie while they play.
        most_visitors, most_clip_bytes: how many, how large.
    """

    def __init__(
        self,
        gallery: Gallery,
        machine: Machine | None,
        folder: str | Path,
        most_visitors: int,
        most_clip_bytes: int,
    ) -> None:
        self.visits: dict[str, Visit] = {}
        self.stopping = threading.Event()
        self._gallery = gallery
        self._broadcast = None if machine is None else Broadcast(machine)
        self._folder = folder
        self._most_visitors, self._most_clip_bytes = most_visitors, most_clip_bytes
        self._watching = 0  # visitors and viewers of the stream
        self._uploading: set[str] = set()
        self._opening: list[list[Clip]] = []  # of uploads that are being looked into
        self._thumbnail_turn = asyncio.Lock()
        # One thread, first come first served: who has one image in flight waits for one of each other's.
        self._painting = ThreadPoolExecutor(1, "painting")
        self._hands = ThreadPoolExecutor(4 * most_visitors, "page")
        routes = [Route(path, self._file, methods=["GET"]) for path in FILES]
        self.app = Starlette(
            routes=[
                *routes,
                Route("/thumbnails/{name}.jpg", self._thumbnail, methods=["GET"]),
                Route("/clips", self._upload, methods=["POST"]),
                Route("/stream.mjpg", self._stream, methods=["GET"]),
                WebSocketRoute("/paint", self._visit),
            ],
            exception_handlers={HTTPException: _sentence},
        )

    def close(self) -> None:
        """Let go of clips and threads."""
        self.stopping.set()
        for visit in list(self.visits.values()):
            visit.drop_clip()
        for clip in [clip for begun in self._opening for clip in begun]:
            clip.close()
        self._painting.shutdown(wait=False, cancel_futures=True)
        self._hands.shutdown(wait=False, cancel_futures=True)

    async def _in_painting(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._painting, functools.partial(function, *arguments))

    async def _beside(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._hands, functools.partial(function, *arguments))

    async def _file(self, request: Request) -> Response:
        name, kind = FILES[request.url.path]
        return Response((PAGE / name).read_bytes(), headers={"Content-Type": kind})

    async def _thumbnail(self, request: Request) -> Response:
        async with self._thumbnail_turn:  # a visitor waits for one of them at most, not for all
            picture = await self._in_painting(self._gallery.thumbnail, request.path_params["name"])
        if picture is None:
            raise HTTPException(404, "There is no such style.")
        return Response(picture, media_type="image/jpeg")

    async def _visit(self, socket: WebSocket) -> None:
        await socket.accept()
        with self._place() as free:
            if not free:
                sentence = f"{self._most_visitors} people are painting here already. Try again later."
                await socket.send_json({"refused": sentence, "full": True})
                await socket.close(TRY_AGAIN_LATER)
                return
            try:
                stylizer = await self._beside(self._gallery.stylizer)
            except StreamstyleError as error:  # weights are gone, memory is short
                await socket.send_json({"refused": self._gallery.by_shown_names(str(error)), "full": True})
                await socket.close(TRY_AGAIN_LATER)
                return
            about = {"most_clip_bytes": self._most_clip_bytes, "device": str(self._gallery.device)}
            visit = Visit(
                socket, stylizer, self._gallery, self._broadcast, self._in_painting, self._beside, about
            )
            self.visits[visit.name] = visit
            try:
                await visit.run()
            finally:
                del self.visits[visit.name]
                visit.drop_clip()  # also one that came while it ended

    @contextlib.contextmanager
    def _place(self) -> Any:
        """A place for one who watches, while there are any."""
        free = self._watching < self._most_visitors
        self._watching += free
        try:
            yield free
        finally:
            self._watching -= free

    async def _upload(self, request: Request) -> Response:
        name = request.query_params.get("visit", "")
        if name not in self.visits:
            raise HTTPException(409, "This page is not connected. Wait a moment, then try again.")
        if name in self._uploading:
            raise HTTPException(409, "Another clip is on its way. Wait for it, then try again.")
        self._uploading.add(name)
        try:
            clip = await self._receive(request)
        finally:
            self._uploading.discard(name)
        visit = self.visits.get(name)
        if visit is None:  # gone meanwhile
            clip.close()
            raise HTTPException(409, "This page is not connected. Wait a moment, then try again.")
        visit.take_clip(clip)
        return JSONResponse(clip.about)

    async def _receive(self, request: Request) -> Clip:
        """The upload as a clip that plays."""
        most = self._most_clip_bytes
        too_large = HTTPException(413, f"The file is too large: at most {most / 1e6:g} MB are taken.")
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > most:
            raise too_large
        try:
            store = Store(self._folder)
        except OSError as error:
            raise HTTPException(507, "There is no room for the file on the server's disk.") from error
        try:
            async with contextlib.aclosing(request.stream()) as chunks:
                while (chunk := await asyncio.wait_for(anext(chunks, None), UPLOAD_SECONDS)) is not None:
                    if store.bytes + len(chunk) > most:
                        raise too_large
                    store.write(chunk)
            store.finish()
        except BaseException as error:
            store.close()
            if isinstance(error, TimeoutError):
                raise HTTPException(408, "The upload stood still and was given up.") from error
            if isinstance(error, ClientDisconnect):
                raise HTTPException(400, "The upload was broken off.") from error
            if isinstance(error, OSError):
                raise HTTPException(507, "There is no room for the file on the server's disk.") from error
            raise
        if store.bytes == 0:
            store.close()
            raise HTTPException(422, "The file is empty.")
        begun: list[Clip] = []
        self._opening.append(begun)
        try:
            clip: Clip = await self._beside(functools.partial(Clip, store, begun=begun.append))
        except StreamstyleError as error:
            raise HTTPException(422, f"This file cannot be played: {error}.") from error
        except asyncio.CancelledError as error:  # the page ends
            for clip in begun:
                clip.close()
            raise HTTPException(503, "The page is being closed.") from error
        finally:
            self._opening.remove(begun)
        return clip

    async def _stream(self, request: Request) -> Response:
        if self._broadcast is None:
            raise HTTPException(404, "This machine shows no camera; `streamstyle live --web` does.")
        if self._watching >= self._most_visitors:
            raise HTTPException(503, f"{self._most_visitors} people are watching already. Try again later.")
        return StreamingResponse(
            self._pictures(self._broadcast), media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        )

    async def _pictures(self, broadcast: Broadcast) -> AsyncIterator[bytes]:
        number = 0
        with self._place() as free:
            while free and not self.stopping.is_set():
                try:
                    shown = await self._beside(broadcast.newest, number, WAIT_SECONDS)
                except StreamstyleError:  # which the program itself tells of
                    return
                if shown is not None:
                    number, _, result = shown
                    yield _PART % len(result) + result + b"\r\n"


async def _sentence(_: Request, error: Exception) -> Response:
    """An error as a sentence for the page to show."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"refused": error.detail}, error.status_code, headers=error.headers)
