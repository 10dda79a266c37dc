"""The keys of the window: one table for their actions and for the help."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Key:
    """One or more keys with the same action.

    Attributes:
        keys: as `WindowSink.key` names them.
        action: name of a method of `View`; digits are passed to it as a number.
        label: shown in the help, in characters that the bundled font has.
        help: what it does, in words.
    """

    keys: tuple[str, ...]
    action: str
    label: str
    help: str


KEYS = (
    Key(("n", "right"), "next_style", "n  right", "next style"),
    Key(("p", "left"), "previous_style", "p  left", "previous style"),
    Key(tuple("123456789"), "nth_style", "1 to 9", "the first nine styles"),
    Key(("l",), "list_paintings", "l", "list of paintings (--styles)"),
    Key(("+", "=", "up"), "stronger", "+  up", "stronger"),
    Key(("-", "_", "down"), "weaker", "-  down", "weaker"),
    Key(("s",), "steadier", "s", "steadier; off after the maximum"),
    Key(("S", "a"), "less_steady", "S  a", "less steady"),
    Key(("c",), "keep_colors", "c", "keep colors: none, half, all"),
    Key(("]",), "larger_strokes", "]", "larger strokes"),
    Key(("[",), "smaller_strokes", "[", "smaller strokes"),
    Key(("m",), "mirror", "m", "mirror"),
    Key(("v",), "split", "v", "split view with the source"),
    Key(("b",), "bypass", "b", "source on and off"),
    Key(("space",), "pause", "space", "pause"),
    Key(("w",), "snapshot", "w", "save a snapshot (PNG)"),
    Key(("r",), "record", "r", "recording on and off"),
    Key(("f",), "full_screen", "f", "full screen"),
    Key(("o",), "overlay", "o", "status line on and off"),
    Key(("h", "?"), "help", "h", "this help"),
    Key(("q", "esc"), "quit", "q  Esc", "quit"),
)

BY_KEY = {name: key for key in KEYS for name in key.keys}
