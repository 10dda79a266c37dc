"""Reads an uploaded painting in a process of its own: `python -m` this module, PATH BYTES.

Like `clip_reader`, it keeps damaged and enormous uploads away from the server, and can be killed. The
answer on stdout is a HEADER and the painting as the style predictor wants it: small, without grain.
"""

from __future__ import annotations

import os
import sys

from streamstyle.apps.web.clip_reader import FRAME, REFUSED, answer, limit_resources, without_path
from streamstyle.errors import StreamstyleError


def main() -> None:
    """Read one painting."""
    path, memory_bytes = sys.argv[1], int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that libraries cannot print into the answer
    limit_resources(memory_bytes)
    try:
        from pathlib import Path

        from streamstyle.paintings import painting_image

        image = painting_image(Path(path))
        answer(answers, FRAME, image.tobytes(), image.width, image.height)
    except StreamstyleError as error:
        answer(answers, REFUSED, without_path(str(error), path, "the file").encode())
    except MemoryError:
        answer(answers, REFUSED, b"it needs more memory than a painting may use")


if __name__ == "__main__":
    main()
