"""What a person sees of a live session and does to it by keys; knows nothing of windows."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from streamstyle.apps.live import overlay
from streamstyle.apps.live.capture import LOST, STARTING
from streamstyle.apps.live.keys import BY_KEY
from streamstyle.apps.live.output import Output
from streamstyle.apps.live.session import PAUSED, Live, Picture
from streamstyle.errors import OutputError, StreamstyleError
from streamstyle.keyframes import NONE
from streamstyle.video.scaling import letterboxed

MESSAGE_SECONDS = 2.5
STRENGTHS = 0.1  # by which a key changes it
STEADINESS = 0.25
STROKES = 2**0.25
FIGURES_SECONDS = 0.5  # between two readings, so that they can be read


class View:
    """The image with all that is drawn on it, and what keys do.

    Args:
        live: the session.
        camera: name of the camera, for the slate.
        recorder: makes an output that writes to a file.
        folder: where snapshots and recordings go.
        now: clock in seconds.

    Attributes:
        done: the user wants to quit.
        fills_screen: the user wants the full screen.
    """

    def __init__(
        self,
        live: Live,
        camera: str = "",
        *,
        recorder: Callable[[Path], Output] | None = None,
        folder: Path | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.live, self.camera, self.recorder = live, camera, recorder
        self.folder = Path() if folder is None else folder
        self.done = self.fills_screen = False
        self.shows_overlay, self.shows_help, self.shows_split = True, False, False
        self.recording: Output | None = None
        self._ending: Output | None = None  # a recording that is being finished
        self._begun = 0.0  # of the recording
        self._failed = 0  # outputs
        self._now = now
        self._message, self._until = "", 0.0
        self._picture: Picture | None = None
        self._figures: tuple[float, dict[str, float | int | str]] = -FIGURES_SECONDS, {}

    def press(self, key: str) -> bool:
        """Do what a key is for; whether it is for anything."""
        if key not in BY_KEY:
            return False
        action = getattr(self, BY_KEY[key].does)
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
        self._message, self._until = text, self._now() + MESSAGE_SECONDS

    def take(self, picture: Picture) -> None:
        """The newest image."""
        self._picture = picture

    def drawn(self, size: tuple[int, int]) -> np.ndarray:
        """(H, W, 3) uint8 RGB, what is to be seen now in (width, height) pixels."""
        self._look_after_outputs()
        status = self._status()
        width, height = max(size[0], 1), max(size[1], 1)
        if self._picture is None or status["state"] in (LOST, STARTING):
            pixels = self._slate((width, height), status)
        else:
            _, source, result = self._picture
            pixels = np.ascontiguousarray(letterboxed(result, width, height))
            pixels = pixels.copy() if pixels is result else pixels
            if self.shows_split:
                h, w = result.shape[:2]
                across = min(round(w * min(width / w, height / h)), width)
                left = (width - across) // 2
                overlay.draw_split(pixels, letterboxed(source, width, height), left, left + across)
            if self.shows_overlay:
                self._draw_line(pixels, status)
        if self.shows_help:
            overlay.draw_help(pixels)
        if self._message and self._now() < self._until:
            overlay.draw_message(pixels, self._message)
        return pixels

    def _look_after_outputs(self) -> None:
        """Say when an output has failed, or a recording is finished."""
        failures = self.live.failures()
        if len(failures) > self._failed:
            self.say(str(failures[-1]))
        self._failed = len(failures)
        if self.recording is not None and self.recording.error is not None:
            self._ending, self.recording = self.recording, None
            self.live.remove(self._ending)
        if self._ending is not None and self._ending.ended:
            saved = f"saved {Path(self._ending.name).name}" if self._ending.frames else "nothing was recorded"
            self.say(str(self._ending.error or saved))
            self._ending = None

    def _status(self) -> dict[str, float | int | str]:
        """Figures that change seldom enough to be read; the state at once."""
        read, status = self._figures
        if self._now() - read >= FIGURES_SECONDS or self.live.state != status.get("state"):
            status = self.live.status()
            self._figures = self._now(), status
        return status

    def _slate(self, size: tuple[int, int], status: dict[str, float | int | str]) -> np.ndarray:
        name = f"camera {self.camera}".strip()
        behind = None if self._picture is None else self._picture[1]
        if self.shows_help:
            return overlay.slate(size, "", [], behind)
        if status["state"] != LOST:
            return overlay.slate(size, f"Waiting for {name}", ["q quits"], behind)
        reasons = str(status["reason"]).removeprefix(f"{name}: ").split("; ")
        return overlay.slate(size, f"No image from {name}", [*reasons, "trying again     q quits"], behind)

    def _draw_line(self, pixels: np.ndarray, status: dict[str, float | int | str]) -> None:
        wanted = self.live.wanted
        title = "source" if wanted.bypass else wanted.style.replace("_", " ")
        details = []
        if not wanted.bypass:
            details = [f"strength {wanted.strength:.0%}"] if wanted.strength < 1 else []
            details += [f"steady {wanted.steady:.0%}"] if wanted.steady else []
            details += [f"colors kept {wanted.keep_colors:.0%}"] if wanted.keep_colors else []
            details += [f"strokes {wanted.stroke_size:.2g}"] if wanted.stroke_size != 1 else []
        figures = f"{status['fps']:.1f} fps   {status['latency_ms']:.0f} ms"
        figures += f"   {status['drops']} dropped   {status['device']}"
        if status["state"] == PAUSED:
            figures = "paused"
        recording = ""
        if self.recording is not None:
            minutes, seconds = divmod(int(self._now() - self._begun), 60)
            recording = f"REC {minutes}:{seconds:02d}"
        overlay.draw_line(pixels, title, "   ".join(details), figures, recording)

    # What keys do; their names stand in `keys.KEYS`.

    def next_style(self) -> None:
        self._turn(1)

    def previous_style(self) -> None:
        self._turn(-1)

    def nth_style(self, number: int) -> None:
        styles = self.live.styles
        if number > len(styles):
            self.say(f"there are {len(styles)} styles")
            return
        self._choose(styles[number - 1])

    def stronger(self) -> None:
        self._by(STRENGTHS)

    def weaker(self) -> None:
        self._by(-STRENGTHS)

    def steadier(self) -> None:
        self._steady(self.live.wanted.steady + STEADINESS)

    def less_steady(self) -> None:
        self._steady(self.live.wanted.steady - STEADINESS)

    def keep_colors(self) -> None:
        kept = self.live.wanted.keep_colors
        kept = 0.0 if kept >= 1 else 1.0 if kept >= 0.5 else 0.5
        self.live.change(keep_colors=kept)
        self.say(f"colors kept {kept:.0%}")

    def larger_strokes(self) -> None:
        self._strokes(STROKES)

    def smaller_strokes(self) -> None:
        self._strokes(1 / STROKES)

    def mirror(self) -> None:
        self.live.change(mirror=not self.live.wanted.mirror)

    def bypass(self) -> None:
        self.live.change(bypass=not self.live.wanted.bypass)

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
        """The stylized image in its own size, as a file that was not there before."""
        if self._picture is None:
            self.say("no image yet")
            return
        path = unused(self.folder, ".png")
        try:
            with path.open("xb") as file:
                Image.fromarray(self._picture[2]).save(file, "PNG")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
        self.say(f"saved {path.name}")

    def record(self) -> None:
        """Begin a recording, or finish it."""
        if self.recording is not None:
            self._ending, self.recording = self.recording, None
            self.live.remove(self._ending)
        elif self.recorder is not None:
            path = unused(self.folder, ".mp4")
            self.follow(self.recorder(path))
            self.say(f"recording {path.name}")

    def follow(self, recording: Output) -> None:
        """Add a recording to the session, and show that it runs."""
        self.live.add(recording)
        self.recording, self._begun = recording, self._now()

    def _turn(self, step: int) -> None:
        styles, now = self.live.styles, self.live.wanted.style
        if not styles:
            return
        place = styles.index(now) if now in styles else (-1 if step > 0 else 0)
        self._choose(styles[(place + step) % len(styles)])

    def _choose(self, style: str) -> None:
        self.live.change(style=style, bypass=False)
        self.say(style.replace("_", " ") if style != NONE else "source")

    def _by(self, step: float) -> None:
        strength = min(max(round(self.live.wanted.strength + step, 2), 0.0), 1.0)
        self.live.change(strength=strength)
        self.say(f"strength {strength:.0%}")

    def _steady(self, steady: float) -> None:
        steady = 0.0 if steady > 1 else max(steady, 0.0)  # once round: not every window tells S from s
        self.live.change(steady=steady)
        self.say(f"steady {steady:.0%}" if steady else "steady off")

    def _strokes(self, factor: float) -> None:
        size = self.live.wanted.stroke_size * factor
        size = min(max(round(size, 3), 0.25), 4.0)
        self.live.change(stroke_size=size)
        self.say(f"stroke size {size:.2g}")


def unused(folder: Path, suffix: str) -> Path:
    """A path with the time in its name, where no file is."""
    stem = datetime.now().strftime("streamstyle-%Y%m%d-%H%M%S")
    number = 1
    while (path := folder / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}").exists():
        number += 1
    return path
