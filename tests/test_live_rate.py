"""RateControl and RateLimit: holding a frame rate without a clock."""

import itertools

import pytest

from streamstyle.apps.live.rate import COARSENESS_STEP, MAX_COARSENESS, RateControl, RateLimit


def play(rate: RateControl, seconds: float, cost: float, fixed: float = 0.0) -> list[float]:
    """Coarseness after each frame, where a frame costs `cost` seconds at full size and less when coarser."""
    given = []
    for _ in range(int(seconds * rate.fps)):
        rate.add(fixed + cost / rate.coarseness**2)
        given.append(rate.coarseness)
    return given


def test_a_fast_machine_keeps_the_finest_strokes():
    assert set(play(RateControl(25), 60, cost=0.02)) == {1.0}


@pytest.mark.parametrize("cost", [0.05, 0.1, 0.2])
def test_a_slow_machine_holds_the_rate_by_coarser_strokes(cost):
    rate = RateControl(25)
    assert play(rate, 20, cost)[-1] > 1
    assert cost / rate.coarseness**2 <= 1 / 25
    assert cost / (rate.coarseness / COARSENESS_STEP) ** 2 > rate.budget, "and no coarser than need be"


def test_it_is_never_coarser_than_what_still_shows_something():
    assert max(play(RateControl(25), 60, cost=100)) == MAX_COARSENESS


def test_it_changes_in_small_steps():
    given = play(RateControl(25), 20, cost=0.2)
    assert max(b / a for a, b in itertools.pairwise(given)) <= COARSENESS_STEP * 1.0001


def test_a_steady_load_does_not_make_it_swing():
    """Once settled, trials of a finer size become rare."""
    rate = RateControl(25)
    play(rate, 60, cost=0.06)
    given = play(rate, 600, cost=0.06, fixed=0.0)
    assert sum(a != b for a, b in itertools.pairwise(given)) <= 20


def test_it_becomes_finer_again_when_the_machine_is_free():
    rate = RateControl(25)
    assert play(rate, 20, cost=0.2)[-1] > 2
    assert play(rate, 60, cost=0.01)[-1] == 1


def test_single_slow_frames_change_nothing():
    rate = RateControl(25)
    for number in range(500):
        rate.add(0.3 if number % 10 == 0 else 0.02)
    assert rate.coarseness == 1


def test_it_is_never_finer_than_its_least():
    assert min(play(RateControl(25, least=2.0), 60, cost=0.001)) == 2


@pytest.mark.parametrize(
    ("camera", "wanted", "given"), [(30, 25, 25), (60, 25, 25), (25, 25, 25), (15, 25, 15)]
)
def test_a_rate_limit_keeps_as_many_frames_as_the_rate_has(camera, wanted, given):
    limit = RateLimit(wanted)
    jitter = [0.0, 0.004, -0.003, 0.002]
    passed = sum(limit(100 + n / camera + jitter[n % 4]) for n in range(10 * camera))
    assert abs(passed / 10 - given) <= 0.6


def test_a_rate_limit_does_not_make_up_for_a_gap():
    limit = RateLimit(25)
    assert limit(0.0)
    assert [limit(10 + n / 100) for n in range(8)] == [True, False, True, False, False, False, True, False]
