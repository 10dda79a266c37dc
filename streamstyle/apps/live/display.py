"""The main thread's loops: `show` displays a window, `wait` runs without one."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

from streamstyle.apps.live.session import Live
from streamstyle.apps.live.view import View
from streamstyle.errors import InputError
from streamstyle.frames import Frame
from streamstyle.sinks.window import WindowSink

KEYS_SECONDS = 0.03  # between two polls of the keyboard while no frame arrives
REDRAW_SECONDS = 0.25  # while no frame arrives: updates the slate and the recording time
PATIENCE_SECONDS = 10.0  # for the first frame, as opening a camera can take seconds
_TICKS = Fraction(1, 1_000_000)


def show(
    live: Live, view: View, window: WindowSink, *, until: float, on_tick: Callable[[], None] | None = None
) -> None:
    """Show the newest result and handle keys, until the user quits or a given time.

    Args:
        until: time of `time.monotonic`.
        on_tick: called between frames, many times a second.

    Raises:
        StreamstyleError: a frame could not be stylized.
    """
    number, drawn, full = 0, 0.0, False
    while not view.done and not window.closed and time.monotonic() < until:
        newest = live.newest(number, KEYS_SECONDS)
        if newest is not None:
            if number == 0:
                window.suit(newest[2].shape[1], newest[2].shape[0])
            number = newest[0]
            view.take(newest)
        pressed = view.press(window.key())
        if view.fills_screen != full:
            full = view.fills_screen
            window.full_screen(full)
        if newest is not None or pressed or time.monotonic() - drawn > REDRAW_SECONDS:
            drawn = time.monotonic()
            window.write(Frame(view.drawn(window.size), int(drawn * 1e6), _TICKS))
            if newest is not None:
                live.shown(number)
        if on_tick is not None:
            on_tick()


def wait(
    live: Live,
    *,
    until: float,
    on_tick: Callable[[], None] | None = None,
    watched: bool = False,
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Let the session run until a given time.

    Args:
        until: time of `time.monotonic`.
        on_tick: called between frames.
        watched: results are also shown elsewhere, as on the web page.
        patience: seconds to wait for the camera's first frame, unless `watched`: nobody would notice that it
            does not exist.

    Raises:
        InputError: the camera gave no frame in time.
        StreamstyleError: a frame could not be stylized, or all outputs have failed and `watched` is false.
    """
    number, give_up = 0, time.monotonic() + patience
    while time.monotonic() < until:
        newest = live.newest(number, min(max(until - time.monotonic(), 0.0), 0.25))
        number = newest[0] if newest is not None else number
        if not watched and live.capture.frames == 0 and time.monotonic() > give_up:
            raise InputError(f"{live.capture.reason or 'camera'}; no frame came within {patience:g} s")
        if not watched and not live.has_outputs:
            for error in live.failures():
                raise error
        if on_tick is not None:
            on_tick()
