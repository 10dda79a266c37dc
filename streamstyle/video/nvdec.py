"""Decoding on an NVIDIA card (NVDEC), on request only: it does not tell which pictures are damaged.

Pictures come down to main memory, as NV12, where all other decoders put theirs.
"""

from __future__ import annotations

import io
from functools import cache

import av
from av.codec.hwaccel import HWAccel
from av.video.stream import VideoStream

from streamstyle.errors import UsageError

NVDEC = "nvdec"


def acceleration() -> HWAccel:
    """What `av.open` needs to decode on the card; streams that it cannot decode are left to the CPU.

    Raises:
        UsageError: there is no card, driver or decoder.
    """
    if not works():
        raise UsageError("--decoder nvdec: no NVIDIA decoder is available on this machine")
    return HWAccel("cuda", allow_software_fallback=True)


def check(stream: VideoStream) -> None:
    """Check that a stream, opened with `acceleration`, is decoded on the card.

    Raises:
        UsageError: the card cannot decode its codec.
    """
    if not stream.codec_context.is_hwaccel:
        raise UsageError(f"--decoder nvdec: cannot decode {stream.codec_context.name}")


@cache
def works() -> bool:
    """Whether there is a card that decodes H.264: tried with one picture."""
    try:
        with av.open(io.BytesIO(one_picture()), "r", hwaccel=HWAccel("cuda")) as container:
            video = container.streams.video[0]
            return video.codec_context.is_hwaccel and any(True for _ in container.decode(video))
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError, NotImplementedError):
        return False


def one_picture() -> bytes:
    """A video of one picture in H.264."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        context = container.add_stream("libx264", rate=25).codec_context
        context.width, context.height, context.pix_fmt = 256, 256, "yuv420p"
        frame = av.VideoFrame(256, 256, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for packets in (context.encode(frame), context.encode(None)):
            container.mux(packets)
    return file.getvalue()
