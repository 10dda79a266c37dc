"""The styles that the page offers: their names, what they are after, and a small image of each."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2

from streamstyle.apps.live.controls import Controls
from streamstyle.apps.live.stylizer import Stylizer
from streamstyle.apps.web.jpeg import read_jpeg, write_jpeg
from streamstyle.effects import StylizeSettings
from streamstyle.errors import UsageError
from streamstyle.keyframes import NONE, read_mixture
from streamstyle.styles import DEFAULT_STYLE
from streamstyle.weights import STYLES

SAMPLE = Path(__file__).parent / "page" / "sample.jpg"
PAINTED_SIZE = (540, 360)  # at which strokes look as they do in a camera's image, and
SHOWN_SIZE = (270, 180)  # at which they are shown
MOST_LETTERS = 200  # of a mixture


class Gallery:
    """Styles by the names that the page has for them: bundled ones by their own, files without their folder.

    Args:
        styles: names, files, or mixtures of them, whose parts are offered.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        UsageError: a style or device is unknown, or two files have the same name.
        InputError: weights cannot be read.
    """

    def __init__(self, styles: Sequence[str], device: str) -> None:
        self._device = device
        self._real: dict[str, str] = {}
        parts = [name for style in styles for name in read_mixture(style) if name != NONE]
        for style in dict.fromkeys(parts):
            shown = style if style in STYLES else re.sub("[+*]", "_", Path(style).stem)
            if shown in self._real:
                raise UsageError(f"{style}: there is another style called {shown!r}; rename the file")
            self._real[shown] = style
        self._shown = {style: shown for shown, style in self._real.items()}
        self._thumbnails: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self.device = self.stylizer().device

    @property
    def names(self) -> list[str]:
        """As the page has them."""
        return list(self._real)

    def cards(self) -> list[dict[str, str]]:
        """Name, label and note of each."""
        return [_card(shown, real) for shown, real in self._real.items()]

    def stylizer(self) -> Stylizer:
        """A painter for another visitor."""
        styles = list(self._real.values())
        first = DEFAULT_STYLE if DEFAULT_STYLE in styles else styles[0]
        return Stylizer(StylizeSettings(), styles, Controls(style=first), device=self._device)

    def real(self, text: object) -> str:
        """A mixture of the page in names that a painter knows.

        Raises:
            UsageError: it is no mixture, or of other styles.
        """
        if not isinstance(text, str) or len(text) > MOST_LETTERS:
            raise UsageError("style: expected a name or a mixture")
        shares = read_mixture(text)
        for name in shares:
            if name != NONE and name not in self._real:
                raise UsageError(f"unknown style {name!r}; known: {', '.join(self._real)}, {NONE}")
        return _mixture({self._real.get(name, name): share for name, share in shares.items()})

    def shown(self, controls: Controls) -> dict[str, float]:
        """What is controls, in shares of the names that the page knows."""
        return {self._shown.get(name, Path(name).stem): share for name, share in controls.mixture.items()}

    def by_shown_names(self, text: str) -> str:
        """A sentence for the page, which is told of no file of this machine."""
        for style, shown in self._shown.items():
            text = text.replace(style, shown)
        return text

    def thumbnail(self, name: str) -> bytes | None:
        """The sample image in a style, as JPEG; it is stylized once. None: there is no such style."""
        with self._lock:
            if name in self._real and name not in self._thumbnails:
                self._thumbnails[name] = self._stylized(self._real[name])
            return self._thumbnails.get(name)

    def _stylized(self, style: str) -> bytes:
        pixels = cv2.resize(read_jpeg(SAMPLE.read_bytes()), PAINTED_SIZE, interpolation=cv2.INTER_AREA)
        result = Stylizer(StylizeSettings(), [], Controls(style=style), device=self._device)(pixels, 0.0)
        return write_jpeg(cv2.resize(result, SHOWN_SIZE, interpolation=cv2.INTER_AREA))


def _mixture(shares: dict[str, float]) -> str:
    if len(shares) == 1:
        return next(iter(shares))
    return "+".join(f"{share:g}*{name}" for name, share in shares.items())


def _card(shown: str, real: str) -> dict[str, str]:
    label = shown.replace("_", " ")
    entry = STYLES.get(real)
    note = f"{entry.painting}, {entry.painter}, {entry.year}" if entry else "from a file"
    return {"name": shown, "label": label[:1].upper() + label[1:], "note": note}
