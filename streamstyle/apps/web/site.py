"""The web application: its addresses and what each of them serves."""

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
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from streamstyle.apps.web.clips import Clip, Store
from streamstyle.apps.web.gallery import Gallery
from streamstyle.apps.web.machine import Broadcast, Machine
from streamstyle.apps.web.paintings import MOST_PAINTINGS, painting_style
from streamstyle.apps.web.renders import Render
from streamstyle.apps.web.uploads import receive
from streamstyle.apps.web.visits import WAIT_SECONDS, Visit
from streamstyle.apps.web.workers import Workers
from streamstyle.errors import StreamstyleError

PAGE = Path(__file__).parent / "page"
FILES = {  # the only files served from disk, by address
    "/": ("index.html", "text/html; charset=utf-8"),
    "/studio.css": ("studio.css", "text/css; charset=utf-8"),
    "/studio.js": ("studio.js", "text/javascript; charset=utf-8"),
    "/connection.js": ("connection.js", "text/javascript; charset=utf-8"),
    "/capture.js": ("capture.js", "text/javascript; charset=utf-8"),
    "/controls.js": ("controls.js", "text/javascript; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/player.js": ("player.js", "text/javascript; charset=utf-8"),
    "/paintings.js": ("paintings.js", "text/javascript; charset=utf-8"),
    "/upload.js": ("upload.js", "text/javascript; charset=utf-8"),
    "/render.js": ("render.js", "text/javascript; charset=utf-8"),
    "/recorder.js": ("recorder.js", "text/javascript; charset=utf-8"),
    "/microphone.js": ("microphone.js", "text/javascript; charset=utf-8"),
    "/mp4.js": ("mp4.js", "text/javascript; charset=utf-8"),
    "/keys.js": ("keys.js", "text/javascript; charset=utf-8"),
    "/messages.js": ("messages.js", "text/javascript; charset=utf-8"),
    "/size.js": ("size.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/sample.jpg": ("sample.jpg", "image/jpeg"),
}
RESULT_KINDS = {".mp4": "video/mp4", ".jpg": "image/jpeg", ".png": "image/png"}
NOT_CONNECTED = "This page is not connected. Wait a moment, then try again."
STOPPING = "The server is stopping."
TRY_AGAIN_LATER = 1013  # WebSocket close code
_CHUNK_BYTES = 1 << 20
_BOUNDARY = "picture"
_PART = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n".encode()


class Site:
    """The ASGI application, without access control; see `access.Access`.

    Args:
        gallery: the styles.
        machine: the machine's camera, if there is one.
        folder: for uploads while they play.
        most_visitors: maximum number of visitors and stream viewers together.
        most_clip_bytes: maximum size of an upload.
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
        self._viewers = 0  # visitors and stream viewers
        self._uploading: set[str] = set()
        self._opening: list[list[Clip]] = []  # of uploads that are being opened
        self._thumbnail_turn, self._painting_turn = asyncio.Lock(), asyncio.Lock()
        # One thread, first come, first served: a visitor with one frame in flight waits for at most one frame
        # of each other visitor.
        self._stylizing_thread = ThreadPoolExecutor(1, "stylizing")
        self._pool = ThreadPoolExecutor(4 * most_visitors, "page")
        self._workers = Workers(self._in_stylizing_thread, self._in_pool, asyncio.Lock(), Path(folder))
        self._stylizing_thread.submit(gallery.warm_up)
        routes = [Route(path, self._file, methods=["GET"]) for path in FILES]
        self.app = Starlette(
            routes=[
                *routes,
                Route("/thumbnails/{name}.jpg", self._thumbnail, methods=["GET"]),
                Route("/clips", self._upload_clip, methods=["POST"]),
                Route("/paintings", self._upload_painting, methods=["POST"]),
                Route("/renders/{visit}", self._render, methods=["GET"]),
                Route("/stream.mjpg", self._stream, methods=["GET"]),
                WebSocketRoute("/paint", self._visit),
            ],
            exception_handlers={HTTPException: _error_answer},
        )

    def close(self) -> None:
        """Close all clips and stop the threads."""
        self.stopping.set()
        for visit in list(self.visits.values()):
            visit.drop_clip()
            visit.downloads.drop()
        for clip in [clip for begun in self._opening for clip in begun]:
            clip.close()
        self._stylizing_thread.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _in_stylizing_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._stylizing_thread, functools.partial(function, *arguments))

    async def _in_pool(self, function: Callable[..., Any], *arguments: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, functools.partial(function, *arguments))

    async def _file(self, request: Request) -> Response:
        name, kind = FILES[request.url.path]
        return Response((PAGE / name).read_bytes(), headers={"Content-Type": kind})

    async def _thumbnail(self, request: Request) -> Response:
        visit = self.visits.get(request.query_params.get("visit", ""))
        name = request.path_params["name"]
        try:
            async with self._thumbnail_turn:  # so that a visitor's frame waits for one thumbnail at most
                if await request.is_disconnected():  # the page shows another input by now
                    raise HTTPException(404, "Nobody waits for this thumbnail.")
                source = None if visit is None or "sample" in request.query_params else visit.remembered
                painting = None if visit is None else visit.look.paintings.get(name)
                jpeg = await self._in_stylizing_thread(self._gallery.thumbnail, name, source, painting)
        except asyncio.CancelledError as error:
            raise HTTPException(503, STOPPING) from error
        if jpeg is None:
            raise HTTPException(404, "There is no such style.")
        return Response(jpeg, media_type="image/jpeg")

    async def _visit(self, socket: WebSocket) -> None:
        await socket.accept()
        with self._viewer_slot() as has_slot:
            if not has_slot:
                message = f"{self._most_visitors} people are using this page already. Try again later."
                await socket.send_json({"refused": message, "full": True})
                await socket.close(TRY_AGAIN_LATER)
                return
            try:
                stylizer = await self._in_pool(self._gallery.stylizer)
            except StreamstyleError as error:  # weights were deleted, or memory ran out
                await socket.send_json({"refused": self._gallery.without_paths(str(error)), "full": True})
                await socket.close(TRY_AGAIN_LATER)
                return
            about = {
                "most_clip_bytes": self._most_clip_bytes,
                "takes_paintings": self._gallery.takes_paintings,
                "device": str(self._gallery.device),
                "fps": self._gallery.fps,
            }
            visit = Visit(
                socket,
                stylizer,
                self._gallery,
                self._broadcast,
                self._workers,
                about,
            )
            self.visits[visit.name] = visit
            try:
                await visit.run()
            finally:
                del self.visits[visit.name]
                visit.drop_clip()  # also one that was uploaded while the visit ended
                visit.downloads.drop()

    @contextlib.contextmanager
    def _viewer_slot(self) -> Any:
        """Reserve a place for a viewer; yields False if all are taken."""
        free = self._viewers < self._most_visitors
        self._viewers += free
        try:
            yield free
        finally:
            self._viewers -= free

    async def _upload_clip(self, request: Request) -> Response:
        async with self._upload(request) as (store, _):
            clip = await self._open(store)
        visit = self.visits.get(_visit_named(request))
        if visit is None:  # disconnected meanwhile
            clip.close()
            raise HTTPException(409, NOT_CONNECTED)
        visit.take_clip(clip)
        return JSONResponse(clip.about)

    async def _upload_painting(self, request: Request) -> Response:
        """Make an upload a style of its visitor; answers with the style's name."""
        if not self._gallery.takes_paintings:
            raise HTTPException(404, "This page takes no paintings.")
        visit = self.visits.get(_visit_named(request))
        if visit is not None and len(visit.look.paintings) >= MOST_PAINTINGS:
            raise HTTPException(
                409, f"There are {MOST_PAINTINGS} paintings already. Remove one of them first."
            )
        async with self._upload(request) as (store, visit):
            with contextlib.closing(store):
                try:
                    async with self._painting_turn:
                        style = await self._in_pool(painting_style, store)
                        await self._in_pool(visit.look.add_painting, style)
                except StreamstyleError as error:
                    raise HTTPException(422, f"{error}.") from error
                except asyncio.CancelledError as error:
                    raise HTTPException(503, STOPPING) from error
        return JSONResponse({"name": style.name})

    @contextlib.asynccontextmanager
    async def _upload(self, request: Request) -> AsyncIterator[tuple[Store, Visit]]:
        """Receive an upload; gives it and the visit that it is for, which has no other one until the end."""
        name = _visit_named(request)
        if name not in self.visits:
            raise HTTPException(409, NOT_CONNECTED)
        if name in self._uploading:
            raise HTTPException(409, "Another file is being uploaded. Wait for it, then try again.")
        visit = self.visits[name]
        self._uploading.add(name)
        try:
            yield await receive(request, self._folder, self._most_clip_bytes), visit
        finally:
            self._uploading.discard(name)

    async def _open(self, store: Store) -> Clip:
        """Open an upload as a clip."""
        begun: list[Clip] = []
        self._opening.append(begun)
        try:
            clip: Clip = await self._in_pool(functools.partial(Clip, store, begun=begun.append))
        except StreamstyleError as error:
            raise HTTPException(422, f"This file cannot be played: {error}.") from error
        except asyncio.CancelledError as error:  # the server stops
            for clip in begun:
                clip.close()
            raise HTTPException(503, STOPPING) from error
        finally:
            self._opening.remove(begun)
        return clip

    async def _render(self, request: Request) -> Response:
        """The result of a visit's render, as a download."""
        visit = self.visits.get(request.path_params["visit"])
        render = None if visit is None else visit.downloads.render
        if render is None or not render.bytes:
            raise HTTPException(404, "There is no such result any more. Render it again.")
        headers = {
            "Content-Length": str(render.bytes),
            "Content-Disposition": "attachment",  # the page names the file
        }
        kind = RESULT_KINDS[Path(render.name).suffix]
        return StreamingResponse(self._parts_of(render), media_type=kind, headers=headers)

    async def _parts_of(self, render: Render) -> AsyncIterator[bytes]:
        for start in range(0, render.bytes, _CHUNK_BYTES):
            part = await self._in_pool(render.read, start, _CHUNK_BYTES)
            if not part:
                return  # cancelled; the browser sees that bytes are missing
            yield part

    async def _stream(self, request: Request) -> Response:
        if self._broadcast is None:
            raise HTTPException(404, "The server shows no camera; start it with `streamstyle live --web`.")
        if self._viewers >= self._most_visitors:
            raise HTTPException(503, f"{self._most_visitors} people are watching already. Try again later.")
        return StreamingResponse(
            self._stream_parts(self._broadcast), media_type=f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        )

    async def _stream_parts(self, broadcast: Broadcast) -> AsyncIterator[bytes]:
        number = 0
        with self._viewer_slot() as has_slot:
            while has_slot and not self.stopping.is_set():
                try:
                    newest = await self._in_pool(broadcast.newest, number, WAIT_SECONDS)
                except StreamstyleError:  # reported by the program itself
                    return
                if newest is not None:
                    number, _, result = newest
                    yield _PART % len(result) + result + b"\r\n"


def _visit_named(request: Request) -> str:
    return request.query_params.get("visit", "")


async def _error_answer(_: Request, error: Exception) -> Response:
    """An error as a message for the page to show."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"refused": error.detail}, error.status_code, headers=error.headers)
