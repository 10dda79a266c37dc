"""One browser that shows the page: it has its own stylizer and controls, and one frame in flight."""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import struct
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamstyle.apps.web.downloads import Downloads
from streamstyle.apps.web.gallery import SAMPLE
from streamstyle.apps.web.jpeg import read_jpeg, write_jpeg
from streamstyle.apps.web.look import CONTROL_NAMES, Look
from streamstyle.apps.web.renders import RenderJob
from streamstyle.apps.web.workers import Workers
from streamstyle.errors import StreamstyleError, UsageError

if TYPE_CHECKING:
    from streamstyle.apps.live.stylizer import Stylizer
    from streamstyle.apps.web.clips import Clip
    from streamstyle.apps.web.gallery import Gallery
    from streamstyle.apps.web.machine import Broadcast

INPUTS = ("browser", "machine", "clip")
MESSAGES = ("want", "defaults", "input", "ready", "rate", "pause", "seek", "remember", "render", "remove")
MAX_CHARACTERS = 10_000  # of a message
MAX_RATE = 1000.0  # frames per second
WAIT_SECONDS = 1.0  # for a frame of the machine's camera, before other work
# Before each image: length of the source's JPEG, 0 if the browser has it; its time in the clip in seconds.
IMAGE_HEADER = struct.Struct("<If")


class Visit:
    """The connection with one browser, until it disconnects.

    From the browser: frames as JPEG, and messages: `{"want": {…}}` to change controls, `{"defaults": true}`
    to undo all changes, `{"input": "machine"}`, `{"ready": true}` when it can take another frame of the
    machine or the clip, `{"rate": 30}`, how many frames a second its camera gives, 0 for a still image,
    `{"pause": true}` and `{"seek": 2.5}` for the clip, `{"remember": true}` to use the current source for
    thumbnails, `{"render": "clip"}`, `"sample"` or, to cancel, `""`, and `{"remove": "painting-…"}` for a
    style that was uploaded.
    To the browser: frames (see IMAGE_HEADER: source, then result, both JPEG) and messages: `welcome`,
    `wanted` with the current controls, `input`, `status`, `remembered`, `render` with its progress, and
    `refused` with an error message. Each frame is answered with a frame or an error message, unless a newer
    frame replaced it.

    Args:
        socket: to the browser, already accepted.
        stylizer: stylizes its frames.
        styles: the style names of the page.
        broadcast: the machine's camera, if there is one.
        workers: do the work.
        about: further values of the welcome message.

    Attributes:
        name: identifies the visit in uploads.
        clip: the upload that plays, if there is one.
        look: the visitor's controls and own styles.
        downloads: what is rendered for this visitor.
    """

    def __init__(
        self,
        socket: WebSocket,
        stylizer: Stylizer,
        styles: Gallery,
        broadcast: Broadcast | None,
        workers: Workers,
        about: Mapping[str, object],
    ) -> None:
        self.name = secrets.token_urlsafe(9)
        self.clip: Clip | None = None
        self._socket = socket
        self.look = Look(styles, stylizer)
        self._styles = styles
        self.downloads = Downloads(workers, lambda message: self._say(render=message))
        self._broadcast = broadcast
        self._in_stylizing_thread, self._in_pool = workers.stylizing, workers.pool
        self._welcome_values = about
        self._input = "browser"
        self._pending_frame: bytes | None = None  # the newest frame that is not being processed yet
        self._ready = False
        self._wake = asyncio.Event()
        self._number = 0  # of the machine's last result that was sent
        self._source: np.ndarray | bytes | None = None  # of the last frame; of the machine as JPEG
        self._remembered: np.ndarray | None = None
        self._sent_controls: object = None
        self._status_at = 0.0
        self._sent_status: Mapping[str, object] = {"target": stylizer.target or 0.0, "lowered": ""}

    async def run(self) -> None:
        """Serve until the browser disconnects; then delete its clip."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            await self._welcome()
            tasks = {asyncio.create_task(self._listen()), asyncio.create_task(self._process())}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except WebSocketDisconnect:
            pass
        finally:
            for task in tasks:
                task.cancel()
            self.drop_clip()
            self.downloads.drop()
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

    @property
    def remembered(self) -> np.ndarray | None:
        """The source that thumbnails are to show, (H, W, 3) uint8 RGB, if there is one."""
        return self._remembered

    async def _welcome(self) -> None:
        await self._say(
            welcome={
                **self._welcome_values,
                "visit": self.name,
                "styles": self._styles.cards(),
                "machine": self._broadcast is not None,
            }
        )
        await self._send_controls()

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1000))
            data, text = message.get("bytes"), message.get("text")
            if data is not None:
                self._pending_frame = data  # the newest wins
                self._wake.set()
            elif text is not None:
                try:
                    await self._handle(_read(text))
                except StreamstyleError as error:
                    await self._refuse(error)

    async def _handle(self, message: Mapping[str, Any]) -> None:
        for name, value in message.items():
            if name == "want":
                self._change(value)
                await self._send_controls(always=True)
            elif name == "defaults":
                self.look.restore_defaults()
                await self._send_controls(always=True)
            elif name == "input":
                self._switch(value)
                await self._say(input=value)
                await self._send_controls(always=True)
            elif name == "ready":
                self._ready = True
                self._wake.set()
            elif name == "rate":
                self._aim(value)
            elif name in ("pause", "seek"):
                await self._steer_clip(name, value)
            elif name == "remember":
                await self._remember()
            elif name == "render":
                await self._start_render(value)
            elif name == "remove":
                self.look.remove_painting(value)
                await self._send_controls(always=True)
            else:
                raise UsageError(f"unknown message {name!r}; known: {', '.join(MESSAGES)}")

    def _aim(self, rate: object) -> None:
        if not isinstance(rate, float) or not 0 <= rate <= MAX_RATE:
            raise UsageError(f"rate is {rate!r}, expected 0 to {MAX_RATE:g}")
        self.look.aim(rate)

    async def _steer_clip(self, name: str, value: object) -> None:
        """Pause the clip, play it on, or move it to a time in seconds."""
        clip = self.clip
        if clip is None:
            raise UsageError("there is no clip yet; upload one")
        if name == "pause" and isinstance(value, bool):
            await self._in_pool(clip.pause, value)
        elif name == "seek" and isinstance(value, float) and 0 <= value < math.inf:
            await self._in_pool(clip.seek, value)
        else:
            raise UsageError(f"{name} is {value!r}, expected a time in seconds, or true or false to pause")

    async def _remember(self) -> None:
        """Keep the current source for thumbnails."""
        source = self._source
        if isinstance(source, bytes):  # of the machine, mirrored already
            source = await self._in_pool(read_jpeg, source)
        elif source is not None and self.look.controls.mirror:
            source = source[:, ::-1]
        self._remembered = source
        await self._say(remembered=source is not None)

    async def _start_render(self, what: object) -> None:
        """Render the clip or the sample with the current controls at full size; "" cancels."""
        if what not in ("clip", "sample", ""):
            raise UsageError(f"render is {what!r}, expected clip, sample, or nothing to cancel")
        settings, paintings = self.look.settings(), self.look.shown_paintings
        if not what:
            self.downloads.drop()
            await self._say(render={"state": "cancelled"})
        elif what == "sample":
            await self.downloads.start(RenderJob(str(SAMPLE), (), settings, "stylized.jpg", paintings))
        elif self.clip is not None:
            await self.downloads.start(self.clip.job(settings, paintings))
        else:
            await self.downloads.fail("there is no clip yet; upload one")

    def _change(self, values: object) -> None:
        if not isinstance(values, dict):
            raise UsageError("want: expected an object of names and values")
        for name in values:
            if name not in CONTROL_NAMES:
                raise UsageError(f"unknown control {name!r}; known: {', '.join(CONTROL_NAMES)}")
        if self._input != "machine" or self._broadcast is None:
            self.look.change(values)
            return
        if "style" in values:
            if self._styles.dream(values["style"]) is not None:
                raise UsageError("the server's camera is shown in styles; dream with another input")
            if str(values["style"]) in self.look.paintings:
                raise UsageError("the server's camera is not yours alone; use paintings with another input")
            values = {**values, "style": self._styles.resolve(values["style"])}
        values.pop("depth", None)
        self._broadcast.machine.change(**values)

    def _switch(self, name: object) -> None:
        if name not in INPUTS:
            raise UsageError(f"input is {name!r}, expected {', '.join(INPUTS)}")
        if name == "machine" and self._broadcast is None:
            raise UsageError("the server shows no camera; start it with `streamstyle live --web`")
        if name == "clip" and self.clip is None:
            raise UsageError("there is no clip yet; upload one")
        self._input, self._pending_frame, self._number = str(name), None, 0
        self._source, is_still = None, True
        if name == "clip" and self.clip is not None:
            is_still = self.clip.about["kind"] == "picture"
            self._aim(0.0 if is_still else self.clip.about["fps"] or MAX_RATE)
        self.look.play_clip(name == "clip" and not is_still)

    async def _process(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._input == "browser":
                    await self._process_browser_frame()
                elif self._ready:
                    self._ready = False
                    await (self._send_machine_frame() if self._input == "machine" else self._process_clip())
            except StreamstyleError as error:
                await self._refuse(error, picture=True)

    async def _process_browser_frame(self) -> None:
        data, self._pending_frame = self._pending_frame, None
        if data is not None:
            begin = time.perf_counter()
            pixels = await self._in_pool(read_jpeg, data)
            self._source = pixels
            await self._send(b"", await self._in_pool(write_jpeg, await self._stylized(pixels)))
            await self._took(time.perf_counter() - begin)

    async def _process_clip(self) -> None:
        clip = self.clip
        if clip is None:
            raise UsageError("the clip is gone; upload one")
        try:
            pixels, seconds = await self._in_pool(clip.next)
        except StreamstyleError:
            if clip is self.clip:
                self.drop_clip()
                raise
            self._request_again()  # it was replaced by another clip
            return
        begin = time.perf_counter()
        self._source = pixels
        source, result = await asyncio.gather(self._in_pool(write_jpeg, pixels), self._stylized(pixels))
        await self._send(source, await self._in_pool(write_jpeg, result), seconds)
        await self._took(time.perf_counter() - begin)

    async def _took(self, seconds: float) -> None:
        """Record how long a frame took, and send the status from time to time."""
        self.look.took(seconds)
        status = {"target": self.look.target or 0.0, "lowered": self.look.lowered}
        if status != self._sent_status and time.monotonic() - self._status_at >= WAIT_SECONDS:
            self._status_at, self._sent_status = time.monotonic(), status
            await self._say(status=status)

    async def _send_machine_frame(self) -> None:
        assert self._broadcast is not None
        newest = await self._in_pool(self._broadcast.newest, self._number, WAIT_SECONDS)
        await self._send_controls()
        if time.monotonic() - self._status_at >= WAIT_SECONDS:
            self._status_at = time.monotonic()
            await self._say(status=_public_status(self._broadcast.machine.status()))
        if newest is None:
            self._request_again()
        else:
            self._number, source, result = newest
            self._source = source
            await self._send(source, result)

    def _request_again(self) -> None:
        """Try again, as the browser still waits for a frame."""
        self._ready = True
        self._wake.set()

    async def _stylized(self, pixels: np.ndarray) -> np.ndarray:
        result: np.ndarray = await self._in_stylizing_thread(self.look, pixels, time.monotonic())
        return result

    async def _send_controls(self, always: bool = False) -> None:
        """Send the controls, if they have changed; other visitors may change the machine's, too."""
        if self._input == "machine" and self._broadcast is not None:
            controls = self._broadcast.machine.controls
            wanted = {**asdict(controls), "style": self._styles.shares(controls), "depth": 0.0}
        else:
            wanted = self.look.wanted
        if always or wanted != self._sent_controls:
            self._sent_controls = wanted
            await self._say(wanted=wanted)

    async def _send(self, source: bytes, result: bytes, seconds: float = 0.0) -> None:
        await self._socket.send_bytes(IMAGE_HEADER.pack(len(source), seconds) + source + result)

    async def _refuse(self, error: StreamstyleError, picture: bool = False) -> None:
        """Send an error message; with `picture` it is the answer to a frame, or to `ready`."""
        await self._say(refused=self._styles.without_paths(str(error)), picture=picture)

    async def _say(self, **message: object) -> None:
        await self._socket.send_text(json.dumps(message))


def _read(text: str) -> dict[str, Any]:
    """Parse a message; all numbers become floats, since integers could have any length."""
    try:
        if len(text) > MAX_CHARACTERS:
            raise ValueError
        message = json.loads(text, parse_int=float)
        if not isinstance(message, dict):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise UsageError("the message cannot be read: expected a JSON object") from error
    return message


def _public_status(status: Mapping[str, float | int | str]) -> dict[str, float | int | str]:
    """A status without values that JSON does not support, and without possible file paths."""
    return {
        name: value
        for name, value in status.items()
        if (math.isfinite(value) if isinstance(value, (int, float)) else not {"/", "\\"} & set(value))
    }
