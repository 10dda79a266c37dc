"""Grabs an X display and writes its images to stdout, as a program of its own.

FFmpeg's x11grab crashes in a process that has loaded OpenCV, which brings an X11 library of its own. So this
file is run by its path and imports nothing of the package.

First a line "WIDTH HEIGHT" in pixels, then (H, W, 3) uint8 RGB after another, until nobody reads any more.
"""

import sys
from fractions import Fraction

import av
from av.video.reformatter import VideoReformatter


def grab(display: str, rate: str, width: int, height: int, longest: int) -> None:
    """Grab a display.

    Args:
        display: as X has it, ":0".
        rate: images a second.
        width, height: scale to exactly this; 0 for no such wish.
        longest: scale down so that the longer side is at most this.
    """
    options = {"framerate": rate, "draw_mouse": "1"}
    with av.open(display, "r", format="x11grab", options=options) as container:
        context = container.streams.video[0].codec_context
        if not width:
            shrink = min(Fraction(longest, max(context.width, context.height)), Fraction(1))
            width, height = (round(side * shrink) for side in (context.width, context.height))
        sys.stdout.buffer.write(b"%d %d\n" % (width, height))
        reformatter = VideoReformatter()
        for picture in container.decode(video=0):
            picture = reformatter.reformat(picture, width=width, height=height, format="rgb24", threads=1)
            sys.stdout.buffer.write(picture.to_ndarray().tobytes())
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        grab(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
    except BrokenPipeError:
        sys.stderr.close()  # Python would complain of the same once more
    except (av.error.FFmpegError, OSError) as error:
        sys.exit(str(error))
