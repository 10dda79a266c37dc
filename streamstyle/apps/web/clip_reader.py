"""Reads an uploaded clip in a process of its own, which can be killed: `python -m` this module, PATH BYTES.

Films and pictures are read by large libraries written in C. What a stranger uploads is read here, with little
memory and without the right to write files, so that no film can take the page down.

Each byte on stdin asks for a picture; the answer on stdout is a header and what it announces.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from streamstyle.errors import InputError, StreamstyleError

if TYPE_CHECKING:
    import numpy as np

HEADER = struct.Struct("<cIII")  # kind, width, height, bytes that follow
OPENED, PICTURE, REFUSED = b"o", b"p", b"r"

MAX_SIDE = 960  # pixels of what is played
MOST_PIXELS = 4096 * 2304  # of a film's pictures
STILL_SECONDS = 0.05  # between two showings of a still
PATIENCE_SECONDS = 0.25  # that anybody waits for a picture
LATE_SECONDS = 0.04  # behind its time a picture is left out,
MOST_SKIPPED = 4  # but not more than these in a row: a film that is too much for the machine plays slower


def main() -> None:
    """Serve until nobody asks any more."""
    path, memory_bytes = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints does not spoil the answers
    _limit(memory_bytes)
    with contextlib.suppress(BrokenPipeError):
        try:
            serve(path, sys.stdin.buffer, answers)
        except StreamstyleError as error:
            _answer(answers, REFUSED, _without(path, str(error)).encode())
        except MemoryError:
            _answer(answers, REFUSED, b"it needs more memory than a clip is given")


def _without(path: str, text: str) -> str:
    """A sentence that does not name the file, whose name nobody knows."""
    return text.replace(f"{path}: ", "").replace(path, "the clip")


def _limit(memory_bytes: int) -> None:
    """Bound what this process may take, where the system can."""
    try:
        import resource
    except ImportError:
        return
    bounds = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, most in bounds:
        with contextlib.suppress(ValueError, OSError):  # not every system can bound everything
            resource.setrlimit(kind, (most, most))


def serve(path: str, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer each byte of `requests` with the picture that is due; first say what there is.

    Raises:
        InputError: the clip cannot be read or is too large.
    """
    about, pictures = opened(path)
    _answer(answers, OPENED, json.dumps(about).encode(), int(about["width"]), int(about["height"]))
    due = paced(pictures)
    while requests.read(1):
        pixels = next(due)
        _answer(answers, PICTURE, pixels.tobytes(), pixels.shape[1], pixels.shape[0])


def opened(path: str) -> tuple[dict[str, float | str], Iterator[tuple[np.ndarray, float]]]:
    """What a clip is, and its pictures with their seconds, over and over."""
    from streamstyle.frames import Frame
    from streamstyle.sources import open_source

    _check_size(path)
    with open_source(path, max_size=MAX_SIDE) as source:
        info = source.info
        frames = (item for item in source if isinstance(item, Frame))
        first = next(frames)
        still = next(frames, None) is None
    about: dict[str, float | str] = {
        "kind": "picture" if still else "film",
        "width": info.width,
        "height": info.height,
    }
    return about, shown_still(first.pixels) if still else looped(path)


def _check_size(path: str) -> None:
    """Refuse films of enormous pictures before one is decoded; pictures have limits of their own."""
    from pathlib import Path

    from streamstyle.image_formats import is_image
    from streamstyle.video.opening import open_input
    from streamstyle.video.tracks import choose_video

    if is_image(Path(path)):
        return
    with open_input(path) as container:
        coded = choose_video(container, path).codec_context
        if coded.width * coded.height > MOST_PIXELS:
            raise InputError(
                f"it has {coded.width}x{coded.height} pixels, films of at most 4096x2304 are taken"
            )


def shown_still(pixels: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
    """A still, again and again."""
    seconds = 0.0
    while True:
        yield pixels, seconds
        seconds += STILL_SECONDS


def looped(path: str) -> Iterator[tuple[np.ndarray, float]]:
    """The pictures of a film, from the beginning again when it ends; the seconds go on."""
    from streamstyle.frames import Frame
    from streamstyle.sources import open_source

    begin = 0.0
    while True:
        end = begin
        with open_source(path, max_size=MAX_SIDE) as source:
            for item in source:
                if isinstance(item, Frame):
                    seconds = begin + item.seconds
                    yield item.pixels, seconds
                    end = seconds + (float(item.duration * item.time_base) or STILL_SECONDS)
        begin = end


def paced(
    pictures: Iterable[tuple[np.ndarray, float]],
    now: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[np.ndarray]:
    """Pictures when they are due. Who asks seldom is given fewer; who does not ask for a while pauses.

    Where the next one is far away, the last one is given again.

    Args:
        pictures: with their seconds, which grow.
        now, wait: the clock.
    """
    start: float | None = None
    shown: np.ndarray | None = None
    skipped = 0
    for pixels, seconds in pictures:
        start = now() - seconds if start is None else start
        late = now() - start - seconds
        if late > LATE_SECONDS and skipped < MOST_SKIPPED:
            skipped += 1
            continue
        if late > LATE_SECONDS:
            start += late
        while (early := start + seconds - now()) > 0:
            wait(min(early, PATIENCE_SECONDS))
            if early > PATIENCE_SECONDS and shown is not None:
                yield shown
        skipped, shown = 0, pixels
        yield pixels


def _answer(answers: BinaryIO, kind: bytes, data: bytes, width: int = 0, height: int = 0) -> None:
    answers.write(HEADER.pack(kind, width, height, len(data)))
    answers.write(data)
    answers.flush()


if __name__ == "__main__":
    main()
