"""What a window shows of a live session, and what its keys do; independent of the window itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from streamstyle.apps.live import overlay
from streamstyle.apps.live.capture import LOST, STARTING
from streamstyle.apps.live.controls import LIMITS
from streamstyle.apps.live.keys import BY_KEY
from streamstyle.apps.live.output import Output
from streamstyle.apps.live.painting_list import PaintingList
from streamstyle.apps.live.session import PAUSED, Live, LiveFrame
from streamstyle.errors import OutputError, StreamstyleError
from streamstyle.keyframes import NONE
from streamstyle.video.scaling import letterboxed

MESSAGE_SECONDS = 2.5
STRENGTH_STEP = 0.1  # change per key press
STEADY_STEP = 0.25
STROKE_FACTOR = 2**0.25
STATUS_SECONDS = 0.5  # between two updates of the figures, so that they are readable


class View:
    """The current frame with everything drawn over it, and the actions of the keys.

    Args:
        live: the session.
        camera: name of the camera, for the slate.
        recorder: makes an output that records to a file; None: no recording.
        paintings: to choose styles from; None: no list.
        folder: for snapshots and recordings; by default the working folder.
        now: clock in seconds.

    Attributes:
        done: the user has quit.
        fills_screen: full screen is on.
    """

    def __init__(
        self,
        live: Live,
        camera: str = "",
        *,
        recorder: Callable[[Path], Output] | None = None,
        paintings: PaintingList | None = None,
        folder: Path | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.live, self.camera, self.recorder = live, camera, recorder
        self.folder = Path() if folder is None else folder
        self.paintings = paintings
        self.done = self.fills_screen = False
        self.shows_overlay, self.shows_help, self.shows_split = True, False, False
        self.recording: Output | None = None
        self._ending: Output | None = None  # a recording that is being finished
        self._recording_began = 0.0
        self._failure_count = 0  # failed outputs already reported
        self._now = now
        self._message, self._message_until = "", 0.0
        self._frame: LiveFrame | None = None
        self._last_status: tuple[float, dict[str, float | int | str]] = -STATUS_SECONDS, {}

    def press(self, key: str) -> bool:
        """Perform the action of a key; returns whether it has one."""
        if self.paintings is not None and self.paintings.press(key):
            return True
        if key not in BY_KEY:
            return False
        action = getattr(self, BY_KEY[key].action)
        try:
            if key.isdigit():
                action(int(key))
            else:
                action()
        except StreamstyleError as error:
            self.say(str(error))
        return True

    def say(self, text: str) -> None:
        """Show a message for a moment."""
        self._message, self._message_until = text, self._now() + MESSAGE_SECONDS

    def take(self, frame: LiveFrame) -> None:
        """Set the newest frame."""
        self._frame = frame

    def drawn(self, size: tuple[int, int]) -> np.ndarray:
        """The view as it is now, (H, W, 3) uint8 RGB, at a (width, height) in pixels."""
        self._check_outputs()
        status = self._status()
        width, height = max(size[0], 1), max(size[1], 1)
        if self._frame is None or status["state"] in (LOST, STARTING):
            pixels = self._slate((width, height), status)
        else:
            _, source, result = self._frame
            pixels = np.ascontiguousarray(letterboxed(result, width, height))
            pixels = pixels.copy() if pixels is result else pixels
            if self.shows_split:
                h, w = result.shape[:2]
                across = min(round(w * min(width / w, height / h)), width)
                left = (width - across) // 2
                overlay.draw_split(pixels, letterboxed(source, width, height), left, left + across)
            if self.shows_overlay:
                self._draw_status_line(pixels, status)
        if self.shows_help:
            overlay.draw_help(pixels)
        if self.paintings is not None:
            self._draw_paintings(pixels, self.paintings)
        if self._message and self._now() < self._message_until:
            overlay.draw_message(pixels, self._message)
        return pixels

    def _draw_paintings(self, pixels: np.ndarray, paintings: PaintingList) -> None:
        """Draw the list if it is open, and say what has become of the painting last chosen."""
        if news := paintings.news():
            self.say(news)
        if paintings.is_open:
            overlay.draw_list(pixels, "Paintings: enter uses one", paintings.names, paintings.selected)

    def _check_outputs(self) -> None:
        """Show a message when an output has failed or a recording is finished."""
        failures = self.live.failures()
        if len(failures) > self._failure_count:
            self.say(str(failures[-1]))
        self._failure_count = len(failures)
        if self.recording is not None and self.recording.error is not None:
            self._ending, self.recording = self.recording, None
            self.live.remove(self._ending)
        if self._ending is not None and self._ending.ended:
            saved = f"saved {Path(self._ending.name).name}" if self._ending.frames else "nothing was recorded"
            self.say(str(self._ending.error or saved))
            self._ending = None

    def _status(self) -> dict[str, float | int | str]:
        """The session's status, updated every STATUS_SECONDS, or at once when the state changes."""
        read, status = self._last_status
        if self._now() - read >= STATUS_SECONDS or self.live.state != status.get("state"):
            status = self.live.status()
            self._last_status = self._now(), status
        return status

    def _slate(self, size: tuple[int, int], status: dict[str, float | int | str]) -> np.ndarray:
        name = f"camera {self.camera}".strip()
        behind = None if self._frame is None else self._frame[1]
        if self.shows_help:
            return overlay.slate(size, "", [], behind)
        if status["state"] != LOST:
            return overlay.slate(size, f"Waiting for {name}", ["q quits"], behind)
        reasons = str(status["reason"]).removeprefix(f"{name}: ").split("; ")
        return overlay.slate(size, f"No image from {name}", [*reasons, "trying again     q quits"], behind)

    def _draw_status_line(self, pixels: np.ndarray, status: dict[str, float | int | str]) -> None:
        controls = self.live.controls
        title = "source" if controls.bypass else title_of(controls.style)
        details = []
        if not controls.bypass:
            details = [f"strength {controls.strength:.0%}"] if controls.strength < 1 else []
            details += [f"steady {controls.steady:.0%}"] if controls.steady else []
            details += [f"colors kept {controls.keep_colors:.0%}"] if controls.keep_colors else []
            details += [f"strokes {controls.stroke_size:.2g}"] if controls.stroke_size != 1 else []
        figures = f"{status['fps']:.1f} fps   {status['latency_ms']:.0f} ms"
        figures += f"   {status['drops']} dropped   {status['device']}"
        if status["state"] == PAUSED:
            figures = "paused"
        recording = ""
        if self.recording is not None:
            minutes, seconds = divmod(int(self._now() - self._recording_began), 60)
            recording = f"REC {minutes}:{seconds:02d}"
        note = "" if controls.bypass or status["state"] == PAUSED else lowered_quality(status)
        overlay.draw_status_line(pixels, title, "   ".join(details), figures, recording, note)

    # The actions that `keys.KEYS` names.

    def next_style(self) -> None:
        self._step_style(1)

    def previous_style(self) -> None:
        self._step_style(-1)

    def nth_style(self, number: int) -> None:
        styles = self.live.styles
        if number > len(styles):
            self.say(f"there are {len(styles)} styles")
            return
        self._choose_style(styles[number - 1])

    def list_paintings(self) -> None:
        if self.paintings is None:
            self.say("start with --styles FOLDER for a list of paintings")
        else:
            self.paintings.open()

    def stronger(self) -> None:
        self._change_strength(STRENGTH_STEP)

    def weaker(self) -> None:
        self._change_strength(-STRENGTH_STEP)

    def steadier(self) -> None:
        self._set_steady(self.live.controls.steady + STEADY_STEP)

    def less_steady(self) -> None:
        self._set_steady(self.live.controls.steady - STEADY_STEP)

    def keep_colors(self) -> None:
        kept = self.live.controls.keep_colors
        kept = 0.0 if kept >= 1 else 1.0 if kept >= 0.5 else 0.5
        self.live.change(keep_colors=kept)
        self.say(f"colors kept {kept:.0%}")

    def larger_strokes(self) -> None:
        self._scale_strokes(STROKE_FACTOR)

    def smaller_strokes(self) -> None:
        self._scale_strokes(1 / STROKE_FACTOR)

    def mirror(self) -> None:
        self.live.change(mirror=not self.live.controls.mirror)

    def bypass(self) -> None:
        self.live.change(bypass=not self.live.controls.bypass)

    def split(self) -> None:
        self.shows_split = not self.shows_split

    def pause(self) -> None:
        self.live.paused = not self.live.paused

    def overlay(self) -> None:
        self.shows_overlay = not self.shows_overlay

    def help(self) -> None:
        self.shows_help = not self.shows_help

    def full_screen(self) -> None:
        self.fills_screen = not self.fills_screen

    def quit(self) -> None:
        self.done = True

    def snapshot(self) -> None:
        """Save the stylized frame at its own size, under an unused name."""
        if self._frame is None:
            self.say("no image yet")
            return
        path = unused(self.folder, ".png")
        try:
            with path.open("xb") as file:
                Image.fromarray(self._frame[2]).save(file, "PNG")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
        self.say(f"saved {path.name}")

    def record(self) -> None:
        """Start a recording, or finish it."""
        if self.recording is not None:
            self._ending, self.recording = self.recording, None
            self.live.remove(self._ending)
        elif self.recorder is not None:
            path = unused(self.folder, ".mp4")
            self.follow(self.recorder(path))
            self.say(f"recording {path.name}")

    def follow(self, recording: Output) -> None:
        """Add a recording to the session, and show its duration."""
        self.live.add(recording)
        self.recording, self._recording_began = recording, self._now()

    def _step_style(self, step: int) -> None:
        styles, now = self.live.styles, self.live.controls.style
        if not styles:
            return
        index = styles.index(now) if now in styles else (-1 if step > 0 else 0)
        self._choose_style(styles[(index + step) % len(styles)])

    def _choose_style(self, style: str) -> None:
        self.live.change(style=style, bypass=False)
        self.say(title_of(style))

    def _change_strength(self, step: float) -> None:
        least, most = LIMITS["strength"]
        strength = min(max(round(self.live.controls.strength + step, 2), least), most)
        self.live.change(strength=strength)
        self.say(f"strength {strength:.0%}")

    def _set_steady(self, steady: float) -> None:
        # Wraps around to 0, as not every window distinguishes S from s.
        steady = 0.0 if steady > 1 else max(steady, 0.0)
        self.live.change(steady=steady)
        self.say(f"steady {steady:.0%}" if steady else "steady off")

    def _scale_strokes(self, factor: float) -> None:
        size = self.live.controls.stroke_size * factor
        least, most = LIMITS["stroke_size"]
        size = min(max(round(size, 3), least), most)
        self.live.change(stroke_size=size)
        self.say(f"stroke size {size:.2g}")


def title_of(style: str) -> str:
    """A style as it is shown: without the folders of files."""
    if style == NONE:
        return "source"
    return (Path(style).stem if os.path.isfile(style) else style).replace("_", " ")


def lowered_quality(status: dict[str, float | int | str]) -> str:
    """What is lowered to hold the frame rate, and the key that changes the balance; "" if nothing is."""
    if not status["lowered"]:
        return ""
    balance = "[ for finer" if "strokes" in str(status["lowered"]) else "] for more fps"
    return f"{status['fps']:.0f} of {status['target']:.0f} fps: {status['lowered']}; {balance}"


def unused(folder: Path, suffix: str) -> Path:
    """A path that does not exist yet, with the time in its name."""
    stem = datetime.now().strftime("streamstyle-%Y%m%d-%H%M%S")
    number = 1
    while (path := folder / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}").exists():
        number += 1
    return path
