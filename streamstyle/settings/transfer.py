"""What `transfer` can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator

from streamstyle.keyframes import with_absolute_files
from streamstyle.settings.film import RenderSettings


class TransferSettings(RenderSettings):
    """What `transfer` can be told."""

    MIXTURE = "style"
    style: str = Field(description="picture of a painting, or a mixture of them")
    features: str = Field("distilled", description="network that judges, a name or file")
    style_mask: tuple[str, ...] = Field((), description="where a painting is to be had, as a.jpg=mask.png")
    scales: int = Field(3, ge=1, le=8, description="sizes at which to paint, each twice the one before")
    steps: int = Field(80, ge=1, le=10000, description="at each size")
    later_steps: int = Field(30, ge=1, le=10000, description="of frames that start from the last one")
    style_weight: float = Field(12.0, ge=0, le=1000, description="of the painting's style")
    content_weight: float = Field(3.0, ge=0, le=1000, description="of what the source shows")
    variation_weight: float = Field(5.0, ge=0, le=1000, description="of being smooth")
    temporal_weight: float = Field(60.0, ge=0, le=10000, description="of staying with the last frame")

    @field_validator("style_mask")
    @classmethod
    def _style_mask(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not all(text.partition("=")):
                raise ValueError("expected PAINTING=MASK, as starry.jpg=sky.png")
        return value

    def needs_motion(self, kind: str) -> bool:
        """Where frames start from the one before."""
        return kind == "film" and self.flow != "none"

    def absolute(self) -> Self:
        """The paintings, their masks and the network as well."""
        features = Path(self.features)
        update = {
            "style": with_absolute_files(self.style),
            "style_mask": tuple(
                "=".join(str(Path(name).absolute()) for name in text.split("=", 1))
                for text in self.style_mask
            ),
            "features": str(features.absolute()) if features.is_file() else self.features,
        }
        return super().absolute().model_copy(update=update)
