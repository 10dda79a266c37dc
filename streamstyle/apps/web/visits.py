"""One browser at the page: its own stylizer, its own controls, one frame at a time."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamstyle.apps.live.controls import LIMITS, Controls
from streamstyle.apps.web.jpeg import read_jpeg, write_jpeg
from streamstyle.errors import StreamstyleError, UsageError

if TYPE_CHECKING:
    from streamstyle.apps.web.clips import Clip
    from streamstyle.apps.web.machine import Broadcast

INPUTS = ("browser", "machine", "clip")
MOST_LETTERS = 10_000  # of a message
WAIT_SECONDS = 1.0  # for the machine's camera, before looking round
SOURCE_BYTES = struct.Struct("<I")  # before each image: length of the source's JPEG, 0 if the browser has it
Call = Callable[..., Awaitable[Any]]
NAMES = tuple(entry.name for entry in fields(Controls))


class Paints(Protocol):
    """What a visit needs of a stylizer."""

    @property
    def controls(self) -> Controls: ...

    def change(self, **values: object) -> Controls: ...

    def __call__(self, pixels: np.ndarray, seconds: float) -> np.ndarray: ...


class Styles(Protocol):
    """What a visit needs of a gallery: see `Gallery`."""

    def cards(self) -> list[dict[str, str]]: ...

    def real(self, text: object) -> str: ...

    def shown(self, wanted: Controls) -> dict[str, float]: ...

    def by_shown_names(self, text: str) -> str: ...


class Visit:
    """Talks with one browser until it goes.

    From the browser: frames as JPEG, and messages: `{"want": {…}}`, `{"input": "machine"}`, and
    `{"ready": true}` when it can take another frame of the machine or the clip.
    To the browser: frames (see SOURCE_BYTES: source, then result, both JPEG) and messages: `welcome`,
    `wanted`, `input`, `status`, and `refused` with a sentence. Each frame is answered with a frame or
    a sentence, except those that a newer one replaced.

    Args:
        socket: to the browser, not yet accepted.
        painter: stylizes its frames.
        styles: the style names of the page.
        broadcast: the machine's camera, if there is one.
        in_painting: awaits a function in the thread where all visitors' frames are stylized, one by one.
        beside: awaits a function in any other thread.
        about: more for the welcome.

    Attributes:
        name: by which uploads say whose they are.
        clip: the upload that plays, if there is one.
    """

    def __init__(
        self,
        socket: WebSocket,
        stylizer: Paints,
        styles: Styles,
        broadcast: Broadcast | None,
        in_painting: Call,
        beside: Call,
        about: Mapping[str, object],
    ) -> None:
        self.name = secrets.token_urlsafe(9)
        self.clip: Clip | None = None
        self._socket = socket
        self._stylizer = stylizer
        self._styles = styles
        self._broadcast = broadcast
        self._in_painting, self._beside = in_painting, beside
        self._about = about
        self._input = "browser"
        self._picture: bytes | None = None  # the newest frame that has not been started
        self._ready = False
        self._wake = asyncio.Event()
        self._number = 0  # of the machine's result shown last
        self._told: Controls | None = None
        self._status_at = 0.0

    async def run(self) -> None:
        """Serve until the browser goes; then delete its clip."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            await self._welcome()
            tasks = {asyncio.create_task(self._listen()), asyncio.create_task(self._paint())}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except WebSocketDisconnect:
            pass
        finally:
            for task in tasks:
                task.cancel()
            self.drop_clip()
            await asyncio.gather(*tasks, return_exceptions=True)

    def take_clip(self, clip: Clip) -> None:
        """Play this clip from now on."""
        self.drop_clip()
        self.clip = clip

    def drop_clip(self) -> None:
        """Stop and delete the clip."""
        clip, self.clip = self.clip, None
        if clip is not None:
            clip.close()

    async def _welcome(self) -> None:
        await self._say(
            welcome={
                **self._about,
                "visit": self.name,
                "styles": self._styles.cards(),
                "limits": LIMITS,
                "machine": self._broadcast is not None,
            }
        )
        await self._tell_wanted()

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            data, text = message.get("bytes"), message.get("text")
            if data is not None:
                self._picture = data  # the newest wins
                self._wake.set()
            elif text is not None:
                try:
                    await self._obey(_read(text))
                except UsageError as error:
                    await self._refuse(error)

    async def _obey(self, message: Mapping[str, Any]) -> None:
        for name, value in message.items():
            if name == "want":
                self._change(value)
                await self._tell_wanted(always=True)
            elif name == "input":
                self._switch(value)
                await self._say(input=value)
                await self._tell_wanted(always=True)
            elif name == "ready":
                self._ready = True
                self._wake.set()
            else:
                raise UsageError(f"{name!r} is not understood; known are want, input, ready")

    def _change(self, values: object) -> None:
        if not isinstance(values, dict):
            raise UsageError("want: expected names with values")
        for name in values:
            if name not in NAMES:
                raise UsageError(f"unknown control {name!r}; known: {', '.join(NAMES)}")
        if "style" in values:
            values = {**values, "style": self._styles.real(values["style"])}
        self._wished.change(**values)

    def _switch(self, name: object) -> None:
        if name not in INPUTS:
            raise UsageError(f"input is {name!r}, expected {', '.join(INPUTS)}")
        if name == "machine" and self._broadcast is None:
            raise UsageError("this machine shows no camera; `streamstyle live --web` does")
        if name == "clip" and self.clip is None:
            raise UsageError("there is no clip yet; upload one")
        self._input, self._picture, self._number = str(name), None, 0

    @property
    def _wished(self) -> Any:
        """Whose controls the page shows: those of its own stylizer, or of the machine's camera."""
        return self._broadcast.machine if self._input == "machine" and self._broadcast else self._stylizer

    async def _paint(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._input == "browser":
                    await self._paint_picture()
                elif self._ready:
                    self._ready = False
                    await (self._show_machine() if self._input == "machine" else self._paint_clip())
            except StreamstyleError as error:
                await self._refuse(error, picture=True)

    async def _paint_picture(self) -> None:
        data, self._picture = self._picture, None
        if data is not None:
            pixels = await self._beside(read_jpeg, data)
            await self._send(b"", await self._beside(write_jpeg, await self._stylized(pixels)))

    async def _paint_clip(self) -> None:
        clip = self.clip
        if clip is None:
            raise UsageError("there is no clip any more; upload one")
        try:
            pixels = await self._beside(clip.next)
        except StreamstyleError:
            if clip is self.clip:
                self.drop_clip()
                raise
            self._again()  # another clip took its place
            return
        source, result = await asyncio.gather(self._beside(write_jpeg, pixels), self._stylized(pixels))
        await self._send(source, await self._beside(write_jpeg, result))

    async def _show_machine(self) -> None:
        assert self._broadcast is not None
        shown = await self._beside(self._broadcast.newest, self._number, WAIT_SECONDS)
        await self._tell_wanted()
        if time.monotonic() - self._status_at >= WAIT_SECONDS:
            self._status_at = time.monotonic()
            await self._say(status=_fit_to_show(self._broadcast.machine.status()))
        if shown is None:
            self._again()
        else:
            self._number, source, result = shown
            await self._send(source, result)

    def _again(self) -> None:
        """The browser still waits for a frame."""
        self._ready = True
        self._wake.set()

    async def _stylized(self, pixels: np.ndarray) -> np.ndarray:
        result: np.ndarray = await self._in_painting(self._stylizer, pixels, time.monotonic())
        return result

    async def _tell_wanted(self, always: bool = False) -> None:
        """Send the controls, if they have changed; others may set those of the machine's camera, too."""
        wanted = self._wished.controls
        if always or wanted != self._told:
            self._told = wanted
            await self._say(wanted={**asdict(wanted), "style": self._styles.shown(wanted)})

    async def _send(self, source: bytes, result: bytes) -> None:
        await self._socket.send_bytes(SOURCE_BYTES.pack(len(source)) + source + result)

    async def _refuse(self, error: StreamstyleError, picture: bool = False) -> None:
        """Send a sentence; with `image` it is the answer to a frame, or to being ready for one."""
        await self._say(refused=self._styles.by_shown_names(str(error)), picture=picture)

    async def _say(self, **message: object) -> None:
        await self._socket.send_text(json.dumps(message))


def _read(text: str) -> dict[str, Any]:
    """A message; its numbers are floats, since integers could be of any length."""
    try:
        if len(text) > MOST_LETTERS:
            raise ValueError
        message = json.loads(text, parse_int=float)
        if not isinstance(message, dict):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise UsageError("the message is not understood: expected a JSON object") from error
    return message


def _fit_to_show(status: Mapping[str, float | int | str]) -> dict[str, float | int | str]:
    """The figures without what JSON cannot hold, and without what may be a file name of this machine."""
    return {
        name: value
        for name, value in status.items()
        if (math.isfinite(value) if isinstance(value, (int, float)) else not {"/", "\\"} & set(value))
    }
