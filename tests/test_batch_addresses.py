"""Films at addresses of fsspec, here in its file system in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamstyle.batch.addresses import exists, is_address
from streamstyle.batch.films import Film, Naming, films_of, find_inputs
from streamstyle.batch.report import Report
from streamstyle.batch.schedule import Batch
from streamstyle.batch.tasks import RenderFilm
from streamstyle.errors import UsageError
from streamstyle.jobs.render import render
from tests.pools import PoolHere
from tests.test_batch import PLAIN
from tests.videos import make_video

fsspec = pytest.importorskip("fsspec")


def test_which_names_are_addresses() -> None:
    assert is_address("s3://bucket/a.mp4") and is_address("memory://a.mp4")
    assert not any(map(is_address, ("a.mp4", "https://host/a.mp4", "rtsp://host/a", "C:/a.mp4", "a:b.mp4")))


def test_a_film_comes_from_an_address_and_goes_to_one(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 6)
    memory = fsspec.filesystem("memory")
    for name in ("x.mp4", "y.mp4"):
        memory.put_file(str(video), f"/batch/in/{name}")
    memory.pipe_file("/batch/in/bad.mp4", b"nothing")
    found = find_inputs(["memory://batch/in/*.mp4"])
    assert [entry.relative for entry in found] == ["bad.mp4", "x.mp4", "y.mp4"]
    values = PLAIN.model_dump(exclude_defaults=True)
    films = list(films_of(found, values, "stylize", Naming("memory://batch/out")))
    memory.pipe_file("/batch/out/y.mp4", b"mine")
    pool, report = PoolHere(), Report(tmp_path / "report.json", films)
    Batch(films, pool, report).run()
    assert [entry.status for entry in report.entries.values()] == ["failed", "done", "existed"]
    assert all(isinstance(task, RenderFilm) for task in pool.tasks)
    render(video, tmp_path / "alone.mp4", PLAIN)
    assert memory.cat_file("/batch/out/x.mp4") == (tmp_path / "alone.mp4").read_bytes()
    assert memory.cat_file("/batch/out/y.mp4") == b"mine"
    assert sorted(path.rpartition("/")[2] for path in memory.ls("/batch/out", detail=False)) == [
        "x.mp4",
        "y.mp4",
    ]


def test_a_missing_address_is_one_film_that_fails(tmp_path: Path) -> None:
    film = Film("memory://batch/none.mp4", str(tmp_path / "out.mp4"), PLAIN)
    report = Report(tmp_path / "report.json", [film])
    Batch([film], PoolHere(), report).run()
    assert "memory://batch/none.mp4: cannot be read" in report.entries[film.output].error


def test_an_unknown_kind_of_address_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"nowhere://a\.mp4: cannot be opened by fsspec"):
        exists("nowhere://a.mp4")
