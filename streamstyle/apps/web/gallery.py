"""The styles and dreams that the page offers: names, descriptions and thumbnails."""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from streamstyle.apps.live.controls import Controls
from streamstyle.apps.live.stylizer import Stylizer
from streamstyle.apps.web.jpeg import read_jpeg, write_jpeg
from streamstyle.effects import DreamSettings, RenderSettings, StylizeSettings
from streamstyle.errors import UsageError
from streamstyle.files import read_toml
from streamstyle.keyframes import NONE, read_mixture
from streamstyle.options import bundled_presets, make_settings
from streamstyle.styles import DEFAULT_STYLE
from streamstyle.weights import STYLES, WEIGHTS

if TYPE_CHECKING:
    from streamstyle.arbitrary_styles import LoadedStyle

SAMPLE = Path(__file__).parent / "page" / "sample.jpg"
SAMPLE_SIZE = (640, 427)  # at which the page sends it first
STYLIZED_SIZE = (540, 360)  # strokes have the same relative size as in a camera's frames
THUMBNAIL_SIZE = (270, 180)
DREAMED_FRAMES = 3  # until a dream can be told from others in a thumbnail
SETTLED_SECONDS = 10.0  # between two thumbnails, so that no transition shows
MAX_CHARACTERS = 200  # of a mixture
DREAM = "dream-"  # begins the public names of dreams


class Gallery:
    """What to choose from, by public names: a style file's is its name without folder and suffix.

    Presets of dreams are offered beside styles, unless another effect than `stylize` was asked for.

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
        presets = bundled_presets(DreamSettings) if effect is None or type(effect) is StylizeSettings else {}
        self._dreams = {
            f"{DREAM}{name}": make_settings(read_toml(path, "a preset"), DreamSettings)
            for name, path in presets.items()
        }
        self._dream_notes = {f"{DREAM}{name}": _first_comment(path) for name, path in presets.items()}
        self._thumbnails: dict[str, bytes] = {}
        self._thumbnail_painters: dict[bool, Stylizer] = {}  # of styles, and of dreams
        self._seconds = 0.0  # time of the last thumbnail
        self._lock = threading.Lock()
        self._spare: Stylizer | None = self._new_stylizer()  # for the first visitor
        self.device = self._spare.device

    @property
    def names(self) -> list[str]:
        """The public names."""
        return list(self._styles)

    def cards(self) -> list[dict[str, str]]:
        """Kind ("style" or "dream"), name, label and note of each style and dream."""
        styles = [_card("style", name, name, _note(style)) for name, style in self._styles.items()]
        dreams = [
            _card("dream", name, name.removeprefix(DREAM), note) for name, note in self._dream_notes.items()
        ]
        return styles + dreams

    def warm_up(self) -> None:
        """Paint the sample once, as the first frame of a size takes longer."""
        spare = self._spare
        if spare is not None:
            spare(cv2.resize(read_jpeg(SAMPLE.read_bytes()), SAMPLE_SIZE, interpolation=cv2.INTER_AREA), 0.0)
            spare.reset()

    def stylizer(self) -> Stylizer:
        """A stylizer for a visitor."""
        with self._lock:
            spare, self._spare = self._spare, None
        return spare or self._new_stylizer()

    def _new_stylizer(self) -> Stylizer:
        styles = list(self._styles.values())
        first = DEFAULT_STYLE if DEFAULT_STYLE in styles else styles[0]
        return Stylizer(self._effect, styles, Controls(style=first), device=self._device, fps=self._fps)

    @property
    def fps(self) -> float | None:
        """The frame rate to hold for each visitor; None: the best quality at whatever rate."""
        return self._fps

    @property
    def effect(self) -> RenderSettings:
        """The effect that styles are applied with."""
        return self._effect

    @property
    def takes_paintings(self) -> bool:
        """Whether networks are predicted for visitors' paintings."""
        effect = self._effect
        predicts = isinstance(effect, StylizeSettings) and effect.arbitrary == "predicted"
        return predicts and WEIGHTS["predictor"].path.is_file()

    def dream(self, name: object) -> DreamSettings | None:
        """The settings of a dream; None if that is no name of one."""
        return self._dreams.get(name) if isinstance(name, str) else None

    def dreamer(self, settings: DreamSettings) -> Stylizer:
        """A stylizer for a visitor's dreams, as deep as the settings say; can change to the other presets."""
        layers = [dream.layer for dream in self._dreams.values()]
        controls = Controls(style=settings.layer)
        return Stylizer(settings, layers, controls, device=self._device, fps=self._fps)

    def resolve(self, text: object, paintings: Collection[str] = ()) -> str:
        """Convert a mixture from public names to those that a stylizer knows.

        Args:
            text: the mixture.
            paintings: names of a visitor's own styles, which stay as they are.

        Raises:
            UsageError: it is no mixture, or contains an unknown style.
        """
        if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
            raise UsageError("style: expected a name or a mixture")
        shares = read_mixture(text)
        for name in shares:
            if name != NONE and name not in self._styles and name not in paintings:
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

    def thumbnail(
        self, name: str, pixels: np.ndarray | None = None, painting: LoadedStyle | None = None
    ) -> bytes | None:
        """An image in a style or as a dream, as JPEG; None if there is no such name.

        To be called from one thread at a time.

        Args:
            name: public name.
            pixels: the image, (H, W, 3) uint8 RGB; by default the sample, which is rendered only once.
            painting: the style, if it is one of a visitor; nothing of it is kept.
        """
        if painting is not None:
            sample = read_jpeg(SAMPLE.read_bytes()) if pixels is None else pixels
            return self._painting_thumbnail(painting, sample)
        if name not in self._styles and name not in self._dreams:
            return None
        if pixels is not None:
            return self._render_thumbnail(name, pixels)
        if name not in self._thumbnails:
            self._thumbnails[name] = self._render_thumbnail(name, read_jpeg(SAMPLE.read_bytes()))
        return self._thumbnails[name]

    def _painting_thumbnail(self, painting: LoadedStyle, pixels: np.ndarray) -> bytes:
        painter = self._thumbnail_painter(False)
        first = painter.controls.style
        painter.add_style(painting.name, painting)
        try:
            return self._render_thumbnail(painting.name, pixels)
        finally:
            painter.change(style=first)
            painter.remove_style(painting.name)

    def _thumbnail_painter(self, dreams: bool) -> Stylizer:
        painter = self._thumbnail_painters.get(dreams)
        if painter is None:
            painter = self.dreamer(next(iter(self._dreams.values()))) if dreams else self._new_stylizer()
            painter.aim(0.0)
            self._thumbnail_painters[dreams] = painter
        return painter

    def _render_thumbnail(self, name: str, pixels: np.ndarray) -> bytes:
        dream = self._dreams.get(name)
        size = STYLIZED_SIZE if dream is None else THUMBNAIL_SIZE
        pixels = cv2.resize(_cropped(pixels, size[0] / size[1]), size, interpolation=cv2.INTER_AREA)
        painter = self._thumbnail_painter(dream is not None)
        painter.change(style=self._styles.get(name, name) if dream is None else dream.layer)
        painter.reset()
        self._seconds += SETTLED_SECONDS
        painter.transition.set_target(painter.controls.parameters(), self._seconds)
        for _ in range(1 if dream is None else DREAMED_FRAMES):
            self._seconds += SETTLED_SECONDS
            result = painter(pixels, self._seconds)
        return write_jpeg(cv2.resize(result, THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA))


def _cropped(pixels: np.ndarray, ratio: float) -> np.ndarray:
    """The middle of an image, as large as it can be in that ratio of width to height."""
    height, width = pixels.shape[:2]
    wide, high = min(width, round(height * ratio)), min(height, round(width / ratio))
    left, top = (width - wide) // 2, (height - high) // 2
    return pixels[top : top + max(high, 1), left : left + max(wide, 1)]


def _mixture(shares: dict[str, float]) -> str:
    if len(shares) == 1:
        return next(iter(shares))
    return "+".join(f"{share:g}*{name}" for name, share in shares.items())


def _card(kind: str, name: str, label: str, note: str) -> dict[str, str]:
    label = label.replace("_", " ")
    return {"kind": kind, "name": name, "label": label[:1].upper() + label[1:], "note": note}


def _note(style: str) -> str:
    """What is known of a style, in a line."""
    entry = STYLES.get(style)
    if entry:
        return f"{entry.painting}, {entry.painter}, {entry.year}"
    return "from a file" if Path(style).suffix else ""


def _first_comment(preset: Path) -> str:
    """The first line of a preset if it is a comment: what the preset looks like."""
    line = preset.read_text(encoding="utf-8").partition("\n")[0]
    return line.removeprefix("#").strip() if line.startswith("#") else ""
