"""Captures an X display and writes its frames to stdout, as a separate program.

FFmpeg's x11grab crashes in a process that has loaded OpenCV, which bundles its own X11 library. So this file
is run by its path and imports nothing of the package.

The output is a line "WIDTH HEIGHT" in pixels, then frames of (H, W, 3) uint8 RGB until the pipe is closed.
"""

import sys
from fractions import Fraction

import av
from av.video.reformatter import VideoReformatter


def grab(display: str, rate: str, width: int, height: int, longest: int) -> None:
    """Capture a display.

    Args:
        display: name of the X display, such as ":0".
        rate: frames per second.
        width, height: scale to exactly this, in pixels; 0 to use `longest` instead.
        longest: scale down so that the longer side is at most this, in pixels.
    """
    options = {"framerate": rate, "draw_mouse": "1"}
    with av.open(display, "r", format="x11grab", options=options) as container:
        context = container.streams.video[0].codec_context
        if not width:
            shrink = min(Fraction(longest, max(context.width, context.height)), Fraction(1))
            width, height = (round(side * shrink) for side in (context.width, context.height))
        sys.stdout.buffer.write(b"%d %d\n" % (width, height))
        reformatter = VideoReformatter()
        for frame in container.decode(video=0):
            frame = reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
            sys.stdout.buffer.write(frame.to_ndarray().tobytes())
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    try:
        grab(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
    except BrokenPipeError:
        sys.stderr.close()  # otherwise Python would report the error again
    except (av.error.FFmpegError, OSError) as error:
        sys.exit(str(error))
