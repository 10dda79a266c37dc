"""How a sink writes."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamstyle.video.codecs import EncodeOptions


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a sink writes; each kind of sink uses the options that apply to it.

    Attributes:
        encoding: options of the video encoder.
        audio: "copy" or "none".
        overwrite: replace an existing output.
        quality: of JPEG and WebP images, 1 to 100.
        format: container for pipes and URLs.
    """

    encoding: EncodeOptions = field(default_factory=EncodeOptions)
    audio: str = "copy"
    overwrite: bool = False
    quality: int = 95
    format: str | None = None
