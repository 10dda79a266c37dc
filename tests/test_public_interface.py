"""What `import streamstyle` offers: quick to import, complete, and its examples run."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import streamstyle
from streamstyle.effects import StylizeSettings
from streamstyle.jobs.render import render
from tests.test_extending import stop_at
from tests.videos import make_video

ROOT = Path(__file__).parents[1]


def test_every_public_name_is_there_and_known_to_type_checkers() -> None:
    names = [name for name in dir(streamstyle) if name != "__version__"]
    assert len(names) > 25
    for name in names:
        assert getattr(streamstyle, name) is not None
    tree = ast.parse(Path(streamstyle.__file__).read_text("utf-8"))
    checked = {
        (f"{node.module}", alias.asname)
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert checked == {(module, name) for name, module in streamstyle._MODULES.items()}
    assert (Path(streamstyle.__file__).parent / "py.typed").exists()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'paint'"):
        _ = streamstyle.paint  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", ["import streamstyle", "from streamstyle import StylizeSettings"])
def test_importing_it_loads_nothing_heavy(code: str) -> None:
    code += "; import sys; sys.exit(bool({'torch', 'av', 'cv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def example_of(function: Callable[..., Any]) -> str:
    """The code in the docstring behind `Example:`."""
    text = inspect.getdoc(function) or ""
    block = text.partition("Example:\n")[2].partition("\nArgs:")[0].partition("\nRaises:")[0]
    return textwrap.dedent(block)


def test_the_examples_run(tmp_path: Path) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    video = make_video(tmp_path / "in.mp4", 110)
    stop_at(tmp_path / "unfinished.mp4", video, StylizeSettings(style="none", device="cpu"), 105)
    names = ("render", "resume", "evaluate", "train", "run")
    program = "\n".join(example_of(getattr(streamstyle, name)) for name in names)
    assert program.count("from streamstyle import") == len(names)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "110" in done.stdout and "frames_out=5" in done.stdout
    assert (tmp_path / "mine.safetensors").exists() and len(list((tmp_path / "frames").iterdir())) == 5


def test_settings_that_keep_no_provenance_leave_no_trace(tmp_path: Path) -> None:
    import av

    video = make_video(tmp_path / "in.mp4", 3)
    settings = StylizeSettings(style="none", device="cpu", preset="ultrafast")
    render(video, tmp_path / "kept.mp4", settings)
    render(video, tmp_path / "private.mp4", settings.model_copy(update={"provenance": False}))
    for name, there in (("kept.mp4", True), ("private.mp4", False)):
        with av.open(str(tmp_path / name)) as video:
            assert ("streamstyle" in str(video.metadata)) == there
