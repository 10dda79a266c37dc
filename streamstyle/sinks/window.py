"""A window on the screen. Use it only in the main thread, as some systems require."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections import deque
from contextlib import suppress

import cv2

from streamstyle.errors import UsageError
from streamstyle.frames import Frame, Sink, SinkItem
from streamstyle.video.scaling import letterboxed

TITLE = "streamstyle"
FIRST_SIZE = 960, 720  # (width, height) in pixels that a new window fits into
PROBE_SECONDS = 20
# Key codes of OpenCV for keys that are not characters: X11, Windows, macOS.
NAMED_KEYS = {
    **dict.fromkeys((65361, 0x250000, 63234), "left"),
    **dict.fromkeys((65362, 0x260000, 63232), "up"),
    **dict.fromkeys((65363, 0x270000, 63235), "right"),
    **dict.fromkeys((65364, 0x280000, 63233), "down"),
    **dict.fromkeys((10, 13), "enter"),
    27: "esc",
    32: "space",
}


class WindowSink(Sink):
    """Shows frames in a window, letterboxed.

    Args:
        title: of the window.

    Raises:
        UsageError: no window can be opened here.
    """

    def __init__(self, title: str = TITLE) -> None:
        probe()
        self._title = title
        self._open, self._first_size = False, FIRST_SIZE
        self._keys: deque[str] = deque()
        # Without the tool bar of the Qt window; letterboxing is done here.
        self._flags = cv2.WINDOW_NORMAL | cv2.WINDOW_FREERATIO | cv2.WINDOW_GUI_NORMAL

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the area that shows images, in pixels."""
        if not self._open or self.closed:
            return self._first_size
        _, _, width, height = cv2.getWindowImageRect(self._title)
        return max(width, 1), max(height, 1)

    @property
    def closed(self) -> bool:
        """Whether the user has closed it."""
        try:
            return self._open and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:  # the last window is closed, and the toolkit has shut down
            return True

    def write(self, item: SinkItem) -> None:
        """Show a frame; a window that the user has closed stays closed."""
        if not isinstance(item, Frame) or self.closed:
            return
        if not self._open:
            cv2.namedWindow(self._title, self._flags)
            cv2.resizeWindow(self._title, *self._first_size)
            self._open = True
        pixels = letterboxed(item.pixels, *self.size)
        cv2.imshow(self._title, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        self._poll()

    def suit(self, width: int, height: int) -> None:
        """Resize the window to the aspect ratio of images of this size, in pixels."""
        scale = min(FIRST_SIZE[0] / width, FIRST_SIZE[1] / height)
        self._first_size = max(round(width * scale), 1), max(round(height * scale), 1)
        if self._open:
            cv2.resizeWindow(self._title, *self._first_size)

    def key(self) -> str:
        """The next pressed key; "" if none.

        It is a character, "left", "right", "up", "down", "esc", "enter" or "space".
        """
        self._poll()
        return self._keys.popleft() if self._keys else ""

    def _poll(self) -> None:
        """Lets the window redraw, and queues a pressed key."""
        code = cv2.pollKey() if self._open else -1
        if code in NAMED_KEYS:
            self._keys.append(NAMED_KEYS[code])
        elif code > 0 and code & 0xFF00 == 0 and chr(code & 0xFF).isprintable():
            self._keys.append(chr(code & 0xFF))  # some systems set higher bits for Caps Lock and Num Lock

    def full_screen(self, on: bool) -> None:
        """Switch full screen on or off."""
        if self._open:
            state = cv2.WINDOW_FULLSCREEN if on else cv2.WINDOW_NORMAL
            cv2.setWindowProperty(self._title, cv2.WND_PROP_FULLSCREEN, state)

    def close(self) -> None:
        """Close the window; may be called twice."""
        if self._open:
            self._open = False
            with suppress(cv2.error):  # the user has closed it
                cv2.destroyWindow(self._title)
                cv2.pollKey()

    def abort(self) -> None:
        """Close the window."""
        self.close()


def probe() -> None:
    """Check that a window can be opened, in a process of its own, as Qt ends the process in which it fails.

    Raises:
        UsageError: no window can be opened; the message says what to do.
    """
    instead = "use --web to see it in a browser, or --record FILE"
    if not cv2.currentUIFramework():
        raise UsageError(f"this OpenCV opens no windows (opencv-python-headless); {instead}")
    if platform.system() != "Linux":
        return
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UsageError(f"no display here; {instead}")
    try:
        program = [sys.executable, "-P", "-c", "import cv2; cv2.namedWindow('streamstyle')"]
        exit_code = subprocess.run(program, capture_output=True, timeout=PROBE_SECONDS).returncode
    except (OSError, subprocess.TimeoutExpired):
        exit_code = -1
    if exit_code != 0:
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        raise UsageError(f"the display {display} does not answer; {instead}")
