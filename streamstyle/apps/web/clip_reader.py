"""Decodes an uploaded clip in a process of its own, which can be killed: `python -m` this module, PATH BYTES.

Videos and images are decoded by large C libraries. Uploads are decoded here, with limited memory and hardly
any space for files, so that no upload can crash the server.

Each byte on stdin requests a frame; the answer on stdout is a HEADER and its data.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from streamstyle.errors import InputError, StreamstyleError

if TYPE_CHECKING:
    import numpy as np

HEADER = struct.Struct("<cIII")  # kind, width, height, number of bytes that follow
OPENED, FRAME, REFUSED = b"o", b"p", b"r"

MAX_SIDE = 960  # pixels of the longer side; larger clips are scaled down
MAX_FILE_BYTES = 8_000_000  # the table of tone mapping is a temporary file
MAX_PIXELS = 4096 * 2304  # of a video's frame
PATIENCE_SECONDS = 0.25  # longest wait for the next frame
LATE_SECONDS = 0.04  # a frame later than this is skipped,
MOST_SKIPPED = 4  # but no more than this many in a row


def main() -> None:
    """Serve until no more frames are requested."""
    path, memory_bytes = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that libraries cannot print into the answers
    _limit(memory_bytes)
    with contextlib.suppress(BrokenPipeError):
        try:
            serve(path, sys.stdin.buffer, answers)
        except StreamstyleError as error:
            _answer(answers, REFUSED, _without(path, str(error)).encode())
        except MemoryError:
            _answer(answers, REFUSED, b"it needs more memory than a clip may use")


def _without(path: str, text: str) -> str:
    """A message without the path of the file, which the browser must not see."""
    return text.replace(f"{path}: ", "").replace(path, "the clip")


def _limit(memory_bytes: int) -> None:
    """Limit the resources of this process, if the system supports it."""
    try:
        import resource
    except ImportError:
        return
    limits = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, most in limits:
        with contextlib.suppress(ValueError, OSError):  # not every system supports every limit
            resource.setrlimit(kind, (most, most))


def serve(path: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Describe the clip, then answer each byte of `requests` with the frame that is due.

    Raises:
        InputError: the clip cannot be read or is too large.
    """
    from streamstyle.sources.pacing import paced

    about, frames = opened(path)
    _answer(answers, OPENED, json.dumps(about).encode(), int(about["width"]), int(about["height"]))
    due = paced(frames, late=LATE_SECONDS, most_skipped=MOST_SKIPPED, gap=PATIENCE_SECONDS)
    while requests.read(1):
        pixels = next(due)
        _answer(answers, FRAME, pixels.tobytes(), pixels.shape[1], pixels.shape[0])


def opened(path: str) -> tuple[dict[str, float | str], Iterator[tuple[np.ndarray, float]]]:
    """Kind, width and height of a clip, and its frames with their times in seconds, looped."""
    from streamstyle.frames import Frame
    from streamstyle.sources import ReadOptions, open_source
    from streamstyle.sources.pacing import looped

    _check_size(path)
    with open_source(path, ReadOptions(max_size=MAX_SIDE)) as source:
        info = source.info
        frames = (item for item in source if isinstance(item, Frame))
        next(frames)
        still = next(frames, None) is None
    about: dict[str, float | str] = {
        "kind": "picture" if still else "video",
        "width": info.width,
        "height": info.height,
        "fps": 0.0 if still or info.rate is None else float(info.rate),
    }
    return about, looped(lambda: open_source(path, ReadOptions(max_size=MAX_SIDE)))


def _check_size(path: str) -> None:
    """Refuse videos with enormous frames before decoding; still images have limits of their own."""
    from streamstyle.sources.images import is_local_image
    from streamstyle.video.opening import open_input
    from streamstyle.video.tracks import choose_video

    if is_local_image(path):
        return
    with open_input(path) as container:
        coded = choose_video(container, path).codec_context
        if coded.width * coded.height > MAX_PIXELS:
            raise InputError(
                f"it has {coded.width}x{coded.height} pixels, videos of at most 4096x2304 are accepted"
            )


def _answer(answers: BinaryIO, kind: bytes, data: bytes, width: int = 0, height: int = 0) -> None:
    answers.write(HEADER.pack(kind, width, height, len(data)))
    answers.write(data)
    answers.flush()


if __name__ == "__main__":
    main()
