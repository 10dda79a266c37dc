"""What a plan foretells: the simulation by cases that can be worked out by hand, and a plan of real films."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamstyle.batch.films import Film
from streamstyle.batch.forecast import Machines, simulate
from streamstyle.batch.plan import Costs, Size, plan, steps_of_costs
from streamstyle.errors import InputError
from tests.pools import PoolHere
from tests.test_batch import PLAIN, films_in
from tests.test_cli_batch import call
from tests.videos import make_video


def test_equal_tasks_fill_the_workers() -> None:
    found = simulate([[[10.0]]] * 8, Machines(4))
    assert (found.seconds, found.work_seconds, found.efficiency, found.tasks) == (20.0, 80.0, 1.0, 8)


def test_steps_of_a_film_wait_for_one_another() -> None:
    film = [[5.0], [10.0, 10.0, 10.0, 2.0], [1.0]]
    assert simulate([film], Machines(1)).seconds == 38.0
    assert simulate([film], Machines(2)).seconds == 5 + 20 + 1
    assert simulate([film], Machines(100)).seconds == 16.0
    assert simulate([film, [[30.0]]], Machines(2)).seconds == 5 + 10 + 10 + 10 + 1  # the other worker is busy


def test_a_busy_head_is_the_bound() -> None:
    found = simulate([[[1.0]]] * 1000, Machines(1000, head_seconds=0.1))
    assert found.seconds == pytest.approx(100 + 1)
    assert found.head_seconds == pytest.approx(100)
    assert simulate([[[1.0]]] * 10, Machines(10, start_seconds=0.5)).seconds == 1.5


def test_stragglers_and_deaths_cost_time_but_no_task() -> None:
    slow = simulate([[[10.0]]] * 1000, Machines(10, slow_share=0.1, slow_factor=3.0))
    assert 1100 < slow.seconds < 1300 and slow.work_seconds == 10_000
    deadly = simulate([[[10.0]]] * 1000, Machines(10, deaths_per_hour=36.0))  # one in ten tasks dies
    assert 1050 < deadly.tasks < 1160 and deadly.work_seconds == 10_000
    assert deadly.seconds > 1050
    assert deadly == simulate([[[10.0]]] * 1000, Machines(10, deaths_per_hour=36.0))


def test_spans_decode_what_is_before_them() -> None:
    cost = Costs("a", 10, 100, 1.0, 0.5, 0.1, 0.2, 1.0)
    assert steps_of_costs(cost, Size(100, 100, 4.0), 1) == [[51.0]]
    search, spans, join = steps_of_costs(cost, Size(100, 200, 4.0), 2)
    assert (search, spans, join) == ([41.0], [51.0, 1 + 2 * (25 + 5)], [1.0])


def test_a_plan_counts_films_and_measures_one(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 50)
    films = films_in(tmp_path, video, "a.mp4", "b.mp4", "c.mp4", "d.mp4", "there.mp4")
    films.append(Film(str(tmp_path / "none.mp4"), str(tmp_path / "n.mp4"), PLAIN))
    (tmp_path / "there.mp4").write_bytes(b"mine")
    made = plan(films, PoolHere(2))
    assert (made.films, made.existing, made.frames, made.tasks) == (5, 1, 200, 4)
    assert list(made.unreadable) == [str(tmp_path / "none.mp4")]
    (cost,) = made.costs.values()
    assert cost.frames == 50 and cost.pixels == 64 * 48
    assert min(cost.render_seconds, cost.read_seconds, cost.bytes) > 0
    assert made.forecasts[2].seconds >= made.forecasts[20].seconds > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.mp4", "video.mp4"]
    with pytest.raises(InputError, match="no film of 1 can be read for a plan"):
        plan(films[-1:], PoolHere(2))


def test_a_plan_on_the_command_line_writes_nothing(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", 10)
    words = ["--style", "none", "--preset", "ultrafast", "--device", "cpu", "--workers", 1]
    done = call("batch", "stylize", video, tmp_path / "out", "--plan", *words)
    assert done.exit_code == 0, done.stderr
    assert "1 films to render, 0 exist; 10 frames in 1 tasks" in done.stdout
    assert "1 at once (here): about" in done.stdout and "MB are free" in done.stdout
    assert not (tmp_path / "out").exists()
