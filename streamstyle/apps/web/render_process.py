"""Renders an upload in a process of its own, which can be killed: `python -m` this module.

A job comes on stdin as one line of JSON: source, output, effect, and its settings. Each line on stdout is an
object of JSON: `progress`, `warning`, and at the end `done` or `refused`. If stdin ends, nobody waits for
the result any more: the output's folder is deleted.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from streamstyle.errors import StreamstyleError

NICENESS = 5  # live frames go first


def main() -> None:
    """Render the job on stdin."""
    # As the command line does, before torch is imported: see `streamstyle.apps.cli.main`.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # so that libraries cannot print into the answers
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    job = json.loads(sys.stdin.readline())
    watch = threading.Thread(target=_delete_when_left, args=(Path(job["output"]).parent,), daemon=True)
    watch.start()
    lock = threading.Lock()

    def say(**message: object) -> None:
        with lock:
            answers.write(json.dumps(message) + "\n")
            answers.flush()

    try:
        _render(job, say)
    except StreamstyleError as error:
        say(refused=_public(str(error), job))
    except MemoryError:
        say(refused="the memory is not enough")


def _render(job: dict[str, Any], say: Any) -> None:
    from streamstyle.effects import EFFECTS
    from streamstyle.frames import Progress
    from streamstyle.jobs.render import render
    from streamstyle.options import make_settings

    class Warnings(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                say(warning=_public(record.getMessage(), job))

    logging.getLogger("streamstyle").addHandler(Warnings())

    def report(progress: Progress) -> None:
        say(progress={"frames": progress.frames, "total": progress.total, "seconds": progress.eta_seconds})

    settings = make_settings(job["settings"], EFFECTS[job["effect"]])
    result = render(job["source"], job["output"], settings, on_progress=report)
    say(done={"frames": result.frames_out, "concealed": result.concealed, "lost": result.lost})


def _public(text: str, job: dict[str, Any]) -> str:
    """A message without paths, which the browser must not see."""
    for path, name in ((job["source"], "the clip"), (job["output"], "the result")):
        text = text.replace(f"{path}: ", "").replace(path, name)
    return text.replace(str(Path(job["output"]).parent), "")


def _delete_when_left(folder: Path) -> None:
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
