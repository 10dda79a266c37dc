"""The scripts of docs/scale-out.md work as they stand there, as far as that can be tried on one machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streamstyle.apps.cli import program
from streamstyle.batch.films import Naming, films_of_list
from tests.test_cards import shot
from tests.videos import hashes_of, make_video

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "scale-out.md").read_text(encoding="utf-8")
QUICK = ["--max-size", "48", "--preset", "ultrafast"]


def block(language: str, *, number: int = 0) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[number]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two films, one of them long and with a cut, and `streamstyle` on the path."""
    (tmp_path / "films").mkdir()
    times = [25 * number for number in range(24)]
    make_video(tmp_path / "films" / "long.mp4", 24, times=times, draw=shot)
    make_video(tmp_path / "films" / "short.mp4", 5)
    script = tmp_path / "bin" / "streamstyle"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m streamstyle "$@"\n')
    script.chmod(0o755)
    return tmp_path


def run(folder: Path, *words: str, **variables: str) -> None:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        **variables,
        "PATH": path,
        "OMP_NUM_THREADS": "1",
        "STREAMSTYLE_DEVICE": "cpu",
    }
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_the_script_for_slurm_renders_what_one_run_renders(folder: Path) -> None:
    (folder / "shards.sh").write_text(block("bash"))
    for index in ("1", "0"):
        shard = {"SLURM_ARRAY_TASK_ID": index, "SLURM_ARRAY_TASK_COUNT": "2"}
        run(folder, "bash", "shards.sh", "films", "out", "--style", "ink", *QUICK, **shard)
    assert (folder / "out" / "long.mp4.spans").is_dir()
    run(folder, "streamstyle", "join", "out")
    for name in ("long.mp4", "short.mp4"):
        run(folder, "streamstyle", "stylize", f"films/{name}", name, "--style", "ink", *QUICK)
        assert hashes_of(folder / "out" / name) == hashes_of(folder / name)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_the_job_for_kubernetes_runs_its_share(folder: Path) -> None:
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load(block("yaml", number=1))
    assert job["kind"] == "Job" and job["spec"]["completionMode"] == "Indexed"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (arguments,) = container["args"]
    count = job["spec"]["completions"]
    assert f"/{count}" in arguments
    here = arguments.replace("/films/in", "films").replace("/films/out", "out") + " " + " ".join(QUICK)
    run(folder, *container["command"], here, JOB_COMPLETION_INDEX="1")
    assert (folder / "out" / f"report.1of{count}.json").exists()


def test_the_job_type_for_flamenco_makes_a_task_for_each_shard_and_joins_last(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("needs node")
    (tmp_path / "job.js").write_text(
        """
class Task {
    constructor(name) { Object.assign(this, { name, commands: [], after: [] }); }
    addCommand(command) { this.commands.push(command); }
    addDependency(task) { this.after.push(task.name); }
}
const author = { Task: (name, type) => new Task(name), Command: (name, options) => options };
"""
        + block("js")
        + """
const tasks = [];
const settings = { films: "in", out: "out", style: "ink", shards: 2 };
compileJob({ settings, addTask: task => tasks.push(task) });
console.log(JSON.stringify(tasks));
"""
    )
    done = subprocess.run(["node", "job.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    tasks = json.loads(done.stdout)
    assert [task["name"] for task in tasks] == ["shard-0", "shard-1", "join"]
    assert tasks[2]["after"] == ["shard-0", "shard-1"]
    commands = [task["commands"][0] for task in tasks]
    words = ["batch", "stylize", "in", "out", "--style", "ink", "--shard", "1/2"]
    assert commands[1] == {"exe": "streamstyle", "args": words}
    assert commands[2] == {"exe": "streamstyle", "args": ["join", "out"]}


def test_the_cluster_is_one_that_ray_accepts() -> None:
    yaml = pytest.importorskip("yaml")
    cluster = yaml.safe_load(block("yaml"))
    assert cluster["max_workers"] == len(cluster["provider"]["worker_ips"])
    validation = pytest.importorskip("ray.autoscaler._private.util")
    validation.validate_config(validation.prepare_config(cluster))


def test_the_list_of_jobs_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night").mkdir()
    (tmp_path / "more").mkdir()
    for name in ("night/a.mp4", "more/b.mp4"):
        (tmp_path / name).write_bytes(b"x")
    assert tomllib.loads(block("toml"))
    (tmp_path / "jobs.toml").write_text(block("toml"))
    films = list(films_of_list(Path("jobs.toml"), {}, "stylize", Naming("out")))
    names = ["harbour_ink.mp4", "harbour_woodcut.mp4", "a.mp4", "b.mp4", "special/dream.png"]
    assert [film.output for film in films] == [f"out/{name}" for name in names]


def test_every_option_of_the_page_exists() -> None:
    told = CliRunner().invoke(program(), ["batch", "stylize", "--help"], env={"COLUMNS": "200"}).stdout
    text = re.sub(r"^.*(sbatch|pip install|ray start|#SBATCH).*$", "", TEXT, flags=re.MULTILINE)
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))
    assert used and not [option for option in used if option not in told]
