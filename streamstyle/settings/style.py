"""What `stylize` can be told."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from streamstyle.keyframes import with_absolute_files
from streamstyle.settings.film import RenderSettings

STEADY = 0.7  # of films, by default


class StylizeSettings(RenderSettings):
    """What `stylize` can be told."""

    MIXTURE = "style"
    style: str = Field("starry_night", description="bundled name, weights file, none, or a mixture of them")
    mix_by: Literal["pictures", "weights"] = Field("pictures", description="how styles are mixed")
    steady: float | None = Field(
        None, ge=0, le=1, description="0 = each frame by itself, 1 = as still as can be"
    )
    inertia: float = Field(0.0, ge=0, lt=1, description="share of the last frame's statistics that is kept")

    def steadiness(self, kind: str) -> float:
        """How still a source of that kind is held: films are by default, pictures are not."""
        if self.flow == "none":
            return 0.0
        return self.steady if self.steady is not None else STEADY * (kind == "film")

    def needs_motion(self, kind: str) -> bool:
        """Where a film is painted and held still."""
        return self.steadiness(kind) > 0 and bool(self.keyframes().styles())

    def absolute(self) -> Self:
        """The style's files as well."""
        return super().absolute().model_copy(update={"style": with_absolute_files(self.style)})
