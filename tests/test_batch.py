"""A batch: what is rendered, skipped, tried again and reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streamstyle.batch.division import spans_aimed_at
from streamstyle.batch.films import Film
from streamstyle.batch.report import Report
from streamstyle.batch.schedule import Batch, BatchOptions, BatchProgress
from streamstyle.batch.tasks import FindSpans, JoinSpans, RenderFilm, RenderSpan
from streamstyle.effects import StylizeSettings
from streamstyle.errors import Interrupted, UsageError
from streamstyle.jobs.render import render
from streamstyle.jobs.task_process import Died, Outcome, Task
from tests.pools import PoolHere
from tests.test_cards import STYLIZE, shot
from tests.test_extending import stop_at
from tests.videos import hashes_of, make_video, sound_of

PLAIN = StylizeSettings(style="none", preset="ultrafast", device="cpu")
OTHER = PLAIN.model_copy(update={"crf": 30.0})


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return make_video(tmp_path / "video.mp4", 6)


def films_in(folder: Path, source: Path, *names: str) -> list[Film]:
    return [Film(str(source), str(folder / name), PLAIN) for name in names]


def run(films: list[Film], pool: PoolHere | None = None, **options: bool) -> Report:
    """Run a batch here; returns its report, as it was saved."""
    path = Path(films[0].output).parent / "report.json"
    report = Report(path, films)
    told: list[BatchProgress] = []
    Batch(films, pool or PoolHere(), report, BatchOptions(**options), told.append).run()
    assert told[-1].films == told[-1].total_films == len(films)
    saved = json.loads(path.read_text())
    assert saved["complete"] and sum(saved["summary"].values()) == len(films)
    return Report(path, films)


def statuses(report: Report) -> list[str]:
    return [entry.status for entry in report.entries.values()]


def test_one_film_goes_wrong_and_the_others_go_on(video: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    films = films_in(tmp_path, video, "a.mp4", "there.mp4", "c.mp4")
    films.insert(1, Film(str(tmp_path / "bad.mp4"), str(tmp_path / "b.mp4"), PLAIN))
    (tmp_path / "there.mp4").write_bytes(b"mine")
    report = run(films)
    assert statuses(report) == ["done", "failed", "existed", "done"]
    entries = list(report.entries.values())
    assert (entries[0].frames, entries[0].tasks, entries[1].exit_code) == (6, 1, 3)
    assert entries[0].peak_mb > 50 and entries[0].seconds > 0
    assert "bad.mp4: " in entries[1].error
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"
    render(video, tmp_path / "alone.mp4", PLAIN)
    assert (tmp_path / "c.mp4").read_bytes() == (tmp_path / "alone.mp4").read_bytes()


def test_a_second_time_only_what_failed_is_done_and_with_overwrite_all(video: Path, tmp_path: Path) -> None:
    films = films_in(tmp_path, video, "a.mp4", "b.mp4")
    films.append(Film(str(tmp_path / "late.mp4"), str(tmp_path / "c.mp4"), PLAIN))
    assert statuses(run(films)) == ["done", "done", "failed"]
    video.with_name("late.mp4").write_bytes(video.read_bytes())
    for options in ({}, {"overwrite": True, "retry": True}):
        again = PoolHere()
        assert statuses(run(films, again, **options)) == ["done", "done", "done"]
        assert [task.film.output for task in again.tasks] == [films[2].output]
        (tmp_path / "c.mp4").unlink()
    everything = PoolHere()
    run(films, everything, overwrite=True)
    assert len(everything.tasks) == 3


def test_an_interrupted_batch_goes_on_even_if_it_overwrites(video: Path, tmp_path: Path) -> None:
    films = films_in(tmp_path, video, "a.mp4", "b.mp4")

    def stop_at_b(task: Task) -> Outcome | None:
        if task.film.output.endswith("b.mp4"):
            raise Interrupted("stopped")
        return None

    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"old")
    report = Report(tmp_path / "report.json", films)
    with pytest.raises(Interrupted):
        Batch(films, PoolHere(1, stop_at_b), report, BatchOptions(overwrite=True)).run()
    saved = json.loads((tmp_path / "report.json").read_text())
    assert (saved["complete"], [film["status"] for film in saved["films"]]) == (False, ["done", "running"])
    pool = PoolHere()
    assert statuses(run(films, pool, overwrite=True)) == ["done", "done"]
    assert {task.film.output for task in pool.tasks} == {films[1].output}


def test_what_was_begun_is_gone_on_with_if_it_is_the_same(tmp_path: Path) -> None:
    video = make_video(tmp_path / "long.mp4", 110)
    render(video, tmp_path / "whole.mp4", PLAIN)
    films = films_in(tmp_path, video, "a.mp4")
    stop_at(tmp_path / "a.mp4", video, PLAIN, 105)
    assert statuses(run(films)) == ["done"]
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    other = [Film(str(video), str(tmp_path / "b.mp4"), OTHER)]
    stop_at(tmp_path / "b.mp4", video, PLAIN, 105)
    report = run(other)
    assert statuses(report) == ["failed"]
    assert "has an unfinished run with another settings" in report.entries[other[0].output].error
    assert statuses(run(other, retry=True)) == ["done"]


def test_a_task_whose_process_dies_is_tried_again_three_times(video: Path, tmp_path: Path) -> None:
    deaths = {"a.mp4": 2, "b.mp4": 99}

    def dies(task: Task) -> Outcome | None:
        name = Path(task.film.output).name
        deaths[name] -= 1
        return Outcome(error=Died(f"{task.name}: its process ended too early")) if deaths[name] >= 0 else None

    report = run(films_in(tmp_path, video, "a.mp4", "b.mp4"), PoolHere(spoil=dies))
    assert statuses(report) == ["done", "failed"]
    assert deaths["b.mp4"] == 99 - 3
    assert "ended too early" in report.entries[str(tmp_path / "b.mp4")].error


def test_a_foreign_report_is_refused_and_kept(video: Path, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"mine": 1}')
    with pytest.raises(UsageError, match="is not the report of a batch; name another with --report"):
        run(films_in(tmp_path, video, "a.mp4"))
    assert (tmp_path / "report.json").read_text() == '{"mine": 1}'


def test_a_long_film_is_divided_at_cuts_to_the_bytes_of_one_run(tmp_path: Path) -> None:
    times = [25 * number for number in range(24)]
    long = make_video(tmp_path / "long.mp4", 24, times=times, draw=shot, audio=[("aac", 0)])
    render(long, tmp_path / "one.mp4", STYLIZE)
    film = Film(str(long), str(tmp_path / "two.mp4"), STYLIZE)
    pool = PoolHere(slots=1)
    report = run([film], pool)
    kinds = [type(task) for task in pool.tasks]
    assert kinds == [FindSpans, RenderSpan, RenderSpan, JoinSpans]
    assert statuses(report) == ["done"] and report.entries[film.output].frames == 24
    assert (tmp_path / "two.mp4").read_bytes() == (tmp_path / "one.mp4").read_bytes()
    assert sound_of(tmp_path / "two.mp4") == sound_of(long)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"long.mp4", "one.mp4", "two.mp4", "report.json"}


def test_finished_spans_are_not_rendered_again_and_a_damaged_one_is(tmp_path: Path) -> None:
    times = [25 * number for number in range(24)]
    long = make_video(tmp_path / "long.mp4", 24, times=times, draw=shot)
    render(long, tmp_path / "one.mp4", STYLIZE)
    film = Film(str(long), str(tmp_path / "two.mp4"), STYLIZE)

    def no_join(task: Task) -> Outcome | None:
        return Outcome(error=UsageError("full")) if isinstance(task, JoinSpans) else None

    assert statuses(run([film], PoolHere(1, no_join))) == ["failed"]
    segment = next((tmp_path / "two.mp4.spans" / "0001.mp4.part").glob("0*.mp4"))
    segment.write_bytes(segment.read_bytes()[:-1])
    first, second = PoolHere(1), PoolHere(1)
    report = run([film], first)
    assert [type(task) for task in first.tasks] == [FindSpans, JoinSpans]
    assert "was damaged; the same command renders it again" in report.entries[film.output].error
    assert statuses(run([film], second)) == ["done"]
    assert [type(task) for task in second.tasks] == [FindSpans, RenderSpan, JoinSpans]
    assert hashes_of(tmp_path / "two.mp4") == hashes_of(tmp_path / "one.mp4")


def test_films_are_divided_by_their_share_of_all(tmp_path: Path) -> None:
    for name, size in (("small.mp4", 10), ("large.mp4", 1000)):
        (tmp_path / name).write_bytes(bytes(size))
    small = films_in(tmp_path, tmp_path / "small.mp4", *(f"{number}.mp4" for number in range(10)))
    large = films_in(tmp_path, tmp_path / "large.mp4", "large")
    assert set(spans_aimed_at(small, 2).values()) == {0}
    assert spans_aimed_at(large, 4) == {large[0].output: 8}
    assert spans_aimed_at([*small, *large], 2)[large[0].output] == 3


def test_a_film_is_rendered_as_a_whole_where_no_place_forgets(tmp_path: Path) -> None:
    times = [25 * number for number in range(24)]
    video = make_video(tmp_path / "video.mp4", 24, times=times)  # one shot
    pool = PoolHere()
    run([Film(str(video), str(tmp_path / "a.mp4"), STYLIZE)], pool)
    assert [type(task) for task in pool.tasks] == [FindSpans, RenderFilm]
    assert not (tmp_path / "a.mp4.spans").exists()
