"""Decodes an uploaded clip in a process of its own, which can be killed: `python -m` this module, PATH BYTES.

Videos and images are decoded by large C libraries. Uploads are decoded here, with limited memory and hardly
any space for files, so that no upload can crash the server.

Each REQUEST on stdin is a kind and a number. NEXT is answered on stdout with a HEADER and the frame that is
due; PAUSE (1, or 0 to play on) and SEEK (seconds) are not answered.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

from streamstyle.errors import InputError, StreamstyleError

if TYPE_CHECKING:
    from streamstyle.frames import Source

REQUEST = struct.Struct("<cd")  # kind, number
NEXT, PAUSE, SEEK = b"n", b"p", b"s"
HEADER = struct.Struct("<cIIId")  # kind, width, height, number of bytes that follow, time in seconds
OPENED, FRAME, REFUSED = b"o", b"f", b"r"

MAX_SIDE = 960  # pixels of the longer side; larger clips are scaled down
MAX_FILE_BYTES = 8_000_000  # the table of tone mapping is a temporary file
MAX_PIXELS = 4096 * 2304  # of a video's frame


def main() -> None:
    """Serve until no more frames are requested."""
    path, memory_bytes = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that libraries cannot print into the answers
    limit_resources(memory_bytes)
    with contextlib.suppress(BrokenPipeError):
        try:
            serve(path, sys.stdin.buffer, answers)
        except StreamstyleError as error:
            answer(answers, REFUSED, without_path(str(error), path, "the clip").encode())
        except MemoryError:
            answer(answers, REFUSED, b"it needs more memory than a clip may use")


def without_path(text: str, path: str, name: str) -> str:
    """A message without the path of the file, which the browser must not see."""
    return text.replace(f"{path}: ", "").replace(path, name)


def limit_resources(memory_bytes: int) -> None:
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
    """Describe the clip, then answer requests until there are no more.

    Raises:
        InputError: the clip cannot be read or is too large.
    """
    from streamstyle.apps.web.playback import Playback

    about = description(path)
    answer(answers, OPENED, json.dumps(about).encode(), int(about["width"]), int(about["height"]))
    with Playback(lambda seconds: _open(path, seconds)) as playback:
        while len(request := requests.read(REQUEST.size)) == REQUEST.size:
            kind, number = REQUEST.unpack(request)
            if kind == PAUSE:
                playback.pause(bool(number))
            elif kind == SEEK:
                playback.seek(number)
            else:
                pixels, seconds = playback.next()
                answer(answers, FRAME, pixels.tobytes(), pixels.shape[1], pixels.shape[0], seconds)


def description(path: str) -> dict[str, float | str | bool]:
    """What the page must know of a clip; see `Clip.about`.

    Raises:
        InputError: the clip cannot be read or is too large.
    """
    from pathlib import Path

    from streamstyle.frames import Frame
    from streamstyle.image_recognition import format_of, is_image
    from streamstyle.video.completeness import is_cut_off

    _check_size(path)
    with _open(path) as source:
        info = source.info
        container: Any = info.container
        cut_off = container is not None and is_cut_off(container, Path(path))
        has_sound = any(getattr(track, "type", "") == "audio" for track in info.tracks.values())
        frames = (item for item in source if isinstance(item, Frame))
        next(frames)
        still = next(frames, None) is None
    seconds = info.length or (float(info.frames / info.rate) if info.frames and info.rate else 0.0)
    return {
        "kind": "picture" if still else "video",
        "format": str(format_of(Path(path))) if still and is_image(Path(path)) else "",
        "width": info.width,
        "height": info.height,
        "fps": 0.0 if still or info.rate is None else float(info.rate),
        "seconds": 0.0 if still else float(seconds),
        "has_sound": has_sound,
        "warning": "it is cut off, so its end is missing" if cut_off else "",
    }


def _open(path: str, seconds: float = 0.0) -> Source:
    from streamstyle.sources import ReadOptions, open_source

    return open_source(path, ReadOptions(max_size=MAX_SIDE, start=seconds))


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


def answer(
    answers: BinaryIO, kind: bytes, data: bytes, width: int = 0, height: int = 0, seconds: float = 0.0
) -> None:
    """Write a HEADER and the data that belong to it."""
    answers.write(HEADER.pack(kind, width, height, len(data), seconds))
    answers.write(data)
    answers.flush()


if __name__ == "__main__":
    main()
