"""How the frames of one visitor are stylized: in styles, or as a dream."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from streamstyle.apps.live.controls import Controls
from streamstyle.effects import DreamSettings, RenderSettings, StylizeSettings
from streamstyle.errors import UsageError
from streamstyle.weights import WEIGHTS

if TYPE_CHECKING:
    import numpy as np

    from streamstyle.apps.live.stylizer import Stylizer
    from streamstyle.apps.web.gallery import Gallery
    from streamstyle.arbitrary_styles import LoadedStyle

CONTROL_NAMES = (*(entry.name for entry in fields(Controls)), "depth")


class Look:
    """A visitor's controls, and the stylizers that apply them.

    Dreams have a stylizer of their own, made with the first dream and again for each depth.

    Args:
        gallery: what there is to choose from.
        stylizer: for styles.

    Attributes:
        paintings: the visitor's own styles, by name; they can be used like those of the gallery.
    """

    def __init__(self, gallery: Gallery, stylizer: Stylizer) -> None:
        self._gallery, self._styles = gallery, stylizer
        self.paintings: dict[str, LoadedStyle] = {}
        self._controls: Controls = stylizer.controls
        self._first_style = self._controls.style
        self._chosen: set[str] = set()  # the controls that the visitor has changed
        self._dream: str | None = None  # public name
        self._depth: float | None = None  # None: the preset's own
        self._dreamer: Stylizer | None = None
        self._dreamer_depth = 0.0
        self._rate: float | None = None
        self._is_clip = False

    @property
    def controls(self) -> Controls:
        """The current controls."""
        return self._controls

    @property
    def wanted(self) -> dict[str, Any]:
        """The controls as the page knows them, with public names."""
        dream = self._dream_settings
        shares = self._gallery.shares(self._controls) if dream is None else {str(self._dream): 1.0}
        return {**asdict(self._controls), "style": shares, "depth": 0.0 if dream is None else dream.depth}

    @property
    def _active(self) -> Stylizer:
        return self._styles if self._dream is None or self._dreamer is None else self._dreamer

    @property
    def target(self) -> float | None:
        """See `Stylizer.target`."""
        return self._active.target

    @property
    def lowered(self) -> str:
        """See `Stylizer.lowered`."""
        return self._active.lowered

    @property
    def _dream_settings(self) -> DreamSettings | None:
        """The dream that is chosen, as deep as the visitor wants it."""
        dream = self._gallery.dream(self._dream)
        if dream is None or self._depth is None:
            return dream
        return dream.model_copy(update={"depth": self._depth})

    def aim(self, rate: float) -> None:
        """See `Stylizer.aim`."""
        self._rate = rate
        self._active.aim(rate)

    def took(self, seconds: float) -> None:
        """See `Stylizer.took`."""
        self._active.took(seconds)

    def play_clip(self, is_clip: bool) -> None:
        """Videos are steadied as renders are, and cameras are not, unless the visitor has decided."""
        self._is_clip, effect = is_clip, self._gallery.effect
        if "steady" not in self._chosen:
            steady = effect.steadiness("video") if isinstance(effect, StylizeSettings) else 0.0
            self._apply(steady=steady if is_clip else 0.0)

    def restore_defaults(self) -> None:
        """Undo all changes of the visitor, except to style and mirror."""
        self._chosen.clear()
        self._depth = None
        defaults = asdict(Controls())
        kept = ("style", "mirror")
        self._apply(**{name: value for name, value in defaults.items() if name not in kept})
        self.play_clip(self._is_clip)

    def change(self, values: Mapping[str, Any]) -> None:
        """Change controls from the next frame on.

        Args:
            values: by name, of CONTROL_NAMES; `style` is a public name, or a mixture of styles.

        Raises:
            UsageError: a value is not allowed; then nothing changes.
        """
        values = dict(values)
        depth = values.pop("depth", None)
        if depth is not None and (not isinstance(depth, float) or not 0 <= depth <= 1):
            raise UsageError(f"depth is {depth!r}, expected 0 to 1")
        before = self._dream
        if "style" in values:
            dream = self._gallery.dream(values["style"])
            self._dream = None if dream is None else str(values["style"])
            try:
                resolve = self._gallery.resolve
                values["style"] = resolve(values["style"], self.paintings) if dream is None else dream.layer
            except UsageError:
                self._dream = before
                raise
        try:
            self._apply(**values)
        except UsageError:
            self._dream = before
            raise
        self._chosen |= values.keys()
        self._depth = self._depth if depth is None else depth

    def _apply(self, **values: Any) -> None:
        controls = self._controls.updated(**values)
        if self._dream is None:
            self._styles.change(**asdict(controls))
        self._controls = controls

    def add_painting(self, style: LoadedStyle) -> None:
        """Offer the style of a painting; may be called from any thread, and takes its time."""
        self._styles.add_style(style.name, style)
        self.paintings[style.name] = style

    def remove_painting(self, name: object) -> None:
        """Offer a painting no more; if it is shown, the first style of all takes its place.

        Raises:
            UsageError: there is no such painting.
        """
        if not isinstance(name, str) or name not in self.paintings:
            raise UsageError("there is no such painting")
        if name in self._styles.controls.mixture:
            self._styles.change(style=self._first_style)
            if self._dream is None:
                self._controls = self._styles.controls
        self._styles.remove_style(name)
        del self.paintings[name]

    def __call__(self, pixels: np.ndarray, seconds: float) -> np.ndarray:
        """Stylize a frame; see `Stylizer.__call__`."""
        dream = self._dream_settings
        if dream is None:
            return self._styles(pixels, seconds)
        if self._dreamer is None or self._dreamer_depth != dream.depth:
            self._dreamer, self._dreamer_depth = self._gallery.dreamer(dream), dream.depth
            if self._rate is not None:
                self._dreamer.aim(self._rate)
        # A dream continues the one before anyway.
        self._dreamer.change(**{**asdict(self._controls), "steady": 0.0})
        return self._dreamer(pixels, seconds)

    @property
    def shown_paintings(self) -> dict[str, LoadedStyle]:
        """The paintings that a render with `settings` needs, by name."""
        return {name: self.paintings[name] for name in self._controls.mixture if name in self.paintings}

    def settings(self) -> RenderSettings:
        """The settings with which a render looks like this; paintings have the names of `shown_paintings`."""
        effect = self._dream_settings or self._gallery.effect
        controls = asdict(self._controls)
        values: dict[str, Any] = {n: v for n, v in controls.items() if n in type(effect).model_fields}
        if effect.MIXTURE:
            values[effect.MIXTURE] = self._controls.style
        if "steady" not in self._chosen:
            values.pop("steady", None)  # the effect's own default
        if "mix_by" in type(effect).model_fields and len(self._controls.mixture) > 1:
            values["mix_by"] = "weights"  # as the page shows it
        values = {name: value for name, value in values.items() if name not in effect.OMITTED}
        if self.shown_paintings or any(
            name not in WEIGHTS and os.path.isfile(name) for name in effect.model_copy(update=values).files()
        ):
            values["provenance"] = False  # it would name a file of the server
        return effect.model_copy(update={**values, "device": str(self._gallery.device)})
