"""Renders of uploads at full size, with sound: by the renderer itself, in a process that can be killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import OutputError

if TYPE_CHECKING:
    from streamstyle.arbitrary_styles import LoadedStyle

DIED = "the renderer crashed, perhaps because it ran out of memory"


@dataclass(frozen=True)
class RenderJob:
    """What to render.

    Attributes:
        path: of the source.
        descriptors: that a process must inherit to open it.
        settings: of the effect.
        name: of the result; its ending chooses the format.
        paintings: styles in the mixture of the settings that are no files, by name.
    """

    path: str
    descriptors: tuple[int, ...]
    settings: RenderSettings
    name: str
    paintings: Mapping[str, LoadedStyle] = field(default_factory=dict)


class Render:
    """A render in a process of its own, and its result.

    Args:
        job: what to render.
        folder: for the result; it is deleted with the render, on most systems as soon as it is complete.

    Attributes:
        name: of the result.
        bytes: size of the result; 0 until it is complete.
    """

    def __init__(self, job: RenderJob, folder: str | Path) -> None:
        self.name, self.bytes = job.name, 0
        self._job, self._lock = job, threading.Lock()
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        self._file: IO[bytes] | None = None
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = False

    def run(self, on_message: Callable[[dict[str, Any]], None]) -> None:
        """Render; blocks until it is done, refused or closed.

        Args:
            on_message: called with the messages of `render_process`.
        """
        output = self._folder / self.name
        with self._lock:
            if self._is_closed:
                return
            try:
                message = self._message(output)
            except OutputError as error:
                on_message({"refused": f"the server cannot write: {error}".replace(str(self._folder), "")})
                return
            self._process = process = subprocess.Popen(
                [sys.executable, "-P", "-m", "streamstyle.apps.web.render_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=self._job.descriptors,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # so that all its processes can be ended
            )
        last: dict[str, Any] = {}
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed meanwhile
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                last = json.loads(line)
                if "done" in last:
                    self._keep(output)
                on_message(last)
                if {"done", "refused"} & last.keys():
                    break
        if not {"done", "refused"} & last.keys() and not self._is_closed:
            on_message({"refused": DIED})
        self._kill()
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.stdout.close()

    def _message(self, output: Path) -> dict[str, Any]:
        settings = self._job.settings
        effect = next(name for name, kind in EFFECTS.items() if type(settings) is kind)
        values = settings.model_dump(mode="json", exclude_defaults=True)
        for name, style in self._job.paintings.items():
            from streamstyle.styles import save_style

            path = self._folder / f"{name}.safetensors"
            save_style(path, style.network, style.metadata)
            values[settings.MIXTURE] = values[settings.MIXTURE].replace(name, str(path))
        return {"source": self._job.path, "output": str(output), "effect": effect, "settings": values}

    def _keep(self, output: Path) -> None:
        """Open the result; where that is possible, its name is deleted, so that no crash leaves it behind."""
        with self._lock:
            if not self._is_closed:
                self.bytes, self._file = output.stat().st_size, output.open("rb")
                if sys.platform != "win32":
                    shutil.rmtree(self._folder, ignore_errors=True)

    def read(self, start: int, size: int) -> bytes:
        """A part of the result; b"" if it is gone."""
        with self._lock:
            if self._file is None:
                return b""
            self._file.seek(start)
            return self._file.read(size)

    def close(self) -> None:
        """Stop rendering and delete the result; may be called repeatedly and from any thread."""
        self._is_closed = True
        self._kill()
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self) -> None:
        """Kill the process and those that it has started."""
        with self._lock:
            process, self._process = self._process, None
            if process is not None:
                if hasattr(os, "killpg"):
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                process.kill()
                process.wait()
