"""Which PyAV and FFmpeg libraries do the work, for bug reports."""

from __future__ import annotations

import av


def libraries() -> str:
    """Versions of PyAV, of its FFmpeg, and of the library of codecs."""
    codecs = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return f"PyAV {av.__version__} with FFmpeg {av.ffmpeg_version_info}, libavcodec {codecs}"
