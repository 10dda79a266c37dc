"""Shards render their shares, and `join` puts the spans together."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamstyle.batch.division import own_films
from streamstyle.batch.films import Film
from streamstyle.batch.report import Report
from streamstyle.batch.schedule import Batch, BatchOptions
from streamstyle.batch.shards import Shard
from streamstyle.batch.tasks import RenderFilm, RenderSpan
from streamstyle.errors import UsageError
from streamstyle.jobs.render import render
from tests.pools import PoolHere
from tests.test_batch import PLAIN
from tests.test_cards import STYLIZE, shot
from tests.test_cli_batch import call
from tests.videos import make_video, sound_of


def run(films: list[Film], shard: Shard) -> tuple[list[str], PoolHere]:
    """Statuses of the shard's own films, and the pool that did its tasks."""
    own, pool = own_films(films, shard), PoolHere()
    report = Report(Path(films[0].output).parent / f"{shard.index}.json", own)
    Batch(films, pool, report, BatchOptions(shard=shard)).run()
    return [report.entries[film.output].status for film in own], pool


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A frame a second; a cut."""
    times = [25 * number for number in range(24)]
    return make_video(tmp_path / "long.mp4", 24, times=times, draw=shot, audio=[("aac", 0)])


def test_three_shards_and_a_join_give_the_bytes_of_one_run(long: Path, tmp_path: Path) -> None:
    render(long, tmp_path / "one.mp4", STYLIZE)
    (tmp_path / "out").mkdir()
    film = Film(str(long), str(tmp_path / "out" / "long.mp4"), STYLIZE)
    spans: list[int] = []
    for index in (2, 0, 1):  # in any order
        statuses, pool = run([film], Shard(index, 3))
        assert statuses == ["in spans"]
        spans += [task.number for task in pool.tasks if isinstance(task, RenderSpan)]
        assert not (tmp_path / "out" / "long.mp4").exists()
        if index == 0:
            refused = call("join", film.output)
            assert refused.exit_code == 2
            assert "span 2 of 2 (frames 12 to 23) is missing" in refused.stderr
    assert sorted(spans) == [0, 1]
    done = call("join", tmp_path / "out")
    assert (done.exit_code, done.stderr) == (0, f"24 frames: {film.output}\n")
    assert Path(film.output).read_bytes() == (tmp_path / "one.mp4").read_bytes()
    assert sound_of(Path(film.output)) == sound_of(long)
    assert not (tmp_path / "out" / "long.mp4.spans").exists()
    assert "nothing to join" in call("join", tmp_path / "out").stderr


def test_short_films_are_shared_out_whole(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 5)
    films = [Film(str(video), str(tmp_path / f"{number}.mp4"), PLAIN) for number in range(7)]
    rendered: list[str] = []
    for index in range(3):
        statuses, pool = run(films, Shard(index, 3))
        assert set(statuses) == {"done"}
        rendered += [task.film.output for task in pool.tasks if isinstance(task, RenderFilm)]
    assert sorted(rendered) == sorted(film.output for film in films)


def test_spans_of_other_settings_are_not_mixed(long: Path, tmp_path: Path) -> None:
    film = Film(str(long), str(tmp_path / "out.mp4"), STYLIZE)
    run([film], Shard(0, 3))
    other = Film(film.source, film.output, STYLIZE.model_copy(update={"style": "ink"}))
    statuses, _ = run([other], Shard(1, 3))
    assert statuses == ["failed"]
    with long.open("ab") as file:
        file.write(b"x")
    refused = call("join", film.output)
    assert refused.exit_code == 2 and "missing" in refused.stderr


@pytest.mark.parametrize("text", ["3/3", "1", "-1/3", "a/b", "0/0"])
def test_a_shard_is_written_as_a_fraction(text: str) -> None:
    with pytest.raises(UsageError, match="expected I/N, with I from 0 to N - 1"):
        Shard.read(text)
    assert Shard.read("0/3") == Shard(0, 3)


def test_an_output_without_spans_is_refused(tmp_path: Path) -> None:
    refused = call("join", tmp_path / "none.mp4")
    assert refused.exit_code == 2 and "has no rendered spans" in refused.stderr
