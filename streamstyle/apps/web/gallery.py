"""The styles that the page offers: names, descriptions and thumbnails."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2

from streamstyle.apps.live.controls import Controls
from streamstyle.apps.live.stylizer import Stylizer
from streamstyle.apps.web.jpeg import read_jpeg, write_jpeg
from streamstyle.effects import RenderSettings, StylizeSettings
from streamstyle.errors import UsageError
from streamstyle.keyframes import NONE, read_mixture
from streamstyle.styles import DEFAULT_STYLE
from streamstyle.weights import STYLES

SAMPLE = Path(__file__).parent / "page" / "sample.jpg"
STYLIZED_SIZE = (540, 360)  # strokes have the same relative size as in a camera's frames
THUMBNAIL_SIZE = (270, 180)
MAX_CHARACTERS = 200  # of a mixture


class Gallery:
    """The styles by their public names: a file's is its name without folder and suffix.

    Args:
        styles: names, files, or mixtures of them; each style in them is offered.
        device: "auto", "cpu", "cuda" or "cuda:N".
        effect: what to apply; `stylize` by default.
        fps: frame rate to hold for each visitor; None: the best quality at whatever rate.

    Raises:
        UsageError: a style or device is unknown, or two files have the same name.
        InputError: weights cannot be read.
    """

    def __init__(
        self,
        styles: Sequence[str],
        device: str,
        effect: RenderSettings | None = None,
        fps: float | None = None,
    ) -> None:
        self._device, self._effect, self._fps = device, effect or StylizeSettings(), fps
        self._styles: dict[str, str] = {}  # name or file by public name
        parts = [name for style in styles for name in read_mixture(style) if name != NONE]
        for style in dict.fromkeys(parts):
            name = style if style in STYLES else re.sub("[+*]", "_", Path(style).stem)
            if name in self._styles:
                raise UsageError(f"{style}: there is another style called {name!r}; rename the file")
            self._styles[name] = style
        self._public_names = {style: name for name, style in self._styles.items()}
        self._thumbnails: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self.device = self.stylizer().device

    @property
    def names(self) -> list[str]:
        """The public names."""
        return list(self._styles)

    def cards(self) -> list[dict[str, str]]:
        """Name, label and note of each style."""
        return [_card(name, style) for name, style in self._styles.items()]

    def stylizer(self) -> Stylizer:
        """A new stylizer for a visitor."""
        styles = list(self._styles.values())
        first = DEFAULT_STYLE if DEFAULT_STYLE in styles else styles[0]
        return Stylizer(self._effect, styles, Controls(style=first), device=self._device, fps=self._fps)

    def resolve(self, text: object) -> str:
        """Convert a mixture from public names to those that a stylizer knows.

        Raises:
            UsageError: it is no mixture, or contains an unknown style.
        """
        if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
            raise UsageError("style: expected a name or a mixture")
        shares = read_mixture(text)
        for name in shares:
            if name != NONE and name not in self._styles:
                raise UsageError(f"unknown style {name!r}; known: {', '.join(self._styles)}, {NONE}")
        return _mixture({self._styles.get(name, name): share for name, share in shares.items()})

    def shares(self, controls: Controls) -> dict[str, float]:
        """The mixture of the controls: shares by public name."""
        mixture = controls.mixture.items()
        return {self._public_names.get(name, Path(name).stem): share for name, share in mixture}

    def without_paths(self, text: str) -> str:
        """A message with public names instead of style files, to keep paths private."""
        for style, name in self._public_names.items():
            text = text.replace(style, name)
        return text

    def thumbnail(self, name: str) -> bytes | None:
        """The sample image in a style, as JPEG, rendered once; None if there is no such style."""
        with self._lock:
            if name in self._styles and name not in self._thumbnails:
                self._thumbnails[name] = self._render_thumbnail(self._styles[name])
            return self._thumbnails.get(name)

    def _render_thumbnail(self, style: str) -> bytes:
        pixels = cv2.resize(read_jpeg(SAMPLE.read_bytes()), STYLIZED_SIZE, interpolation=cv2.INTER_AREA)
        result = Stylizer(self._effect, [], Controls(style=style), device=self._device)(pixels, 0.0)
        return write_jpeg(cv2.resize(result, THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA))


def _mixture(shares: dict[str, float]) -> str:
    if len(shares) == 1:
        return next(iter(shares))
    return "+".join(f"{share:g}*{name}" for name, share in shares.items())


def _card(name: str, style: str) -> dict[str, str]:
    label = name.replace("_", " ")
    entry = STYLES.get(style)
    note = (
        f"{entry.painting}, {entry.painter}, {entry.year}"
        if entry
        else "from a file"
        if Path(style).suffix
        else ""
    )
    return {"name": name, "label": label[:1].upper() + label[1:], "note": note}
