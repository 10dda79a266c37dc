"""RateControl and RateLimit: holding a frame rate, without a clock."""

import itertools
import random

import pytest

from streamstyle.apps.live.rate import LEVELS, Quality, RateControl, RateLimit

SETTLING = 3.0  # seconds
JITTER = 0.05  # of times


class Machine:
    """A machine on which a frame takes a fixed time, and the network's at full quality; both in seconds."""

    def __init__(self, network: float, fixed: float = 0.005, flow: float = 0.004) -> None:
        self.network, self.fixed, self.flow = network, fixed, flow
        self._random = random.Random(0)
        self._index = 0

    def frame(self, quality: Quality) -> float:
        seconds = self.fixed + self.flow * (quality.every > 1)
        if self._index % quality.every == 0:
            seconds += self.network / quality.coarseness**2
        self._index += 1
        return seconds * (1 + JITTER * self._random.uniform(-1, 1))

    def mean(self, quality: Quality) -> float:
        """Seconds per frame."""
        painting = self.network / quality.coarseness**2 / quality.every
        return self.fixed + self.flow * (quality.every > 1) + painting


def play(rate: RateControl, machine: Machine, seconds: float) -> list[tuple[float, Quality]]:
    """The time, in seconds, and the quality after each frame."""
    now, given = 0.0, []
    while now < seconds:
        took = machine.frame(rate.quality)
        rate.add(took)
        now += max(took, 1 / rate.fps)
        given.append((now, rate.quality))
    return given


def changes(given: list[tuple[float, Quality]], after: float = 0.0) -> int:
    """How often the quality changed after a time."""
    return sum(a[1] != b[1] for a, b in itertools.pairwise(given) if b[0] > after)


def test_levels_take_less_and_less_work():
    assert [level.work for level in LEVELS] == sorted((level.work for level in LEVELS), reverse=True)


@pytest.mark.parametrize("network", [0.001, 0.01, 0.02, 0.03])
def test_a_fast_machine_lowers_nothing(network):
    rate = RateControl(24)
    assert changes(play(rate, Machine(network), 60)) == 0 and rate.lowered == ""


@pytest.mark.parametrize("speed", [0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0])
@pytest.mark.parametrize("fixed", [0.002, 0.01, 0.02])
def test_it_settles_within_three_seconds_and_stays(speed, fixed):
    """On a machine of speed 1, the network alone takes twice the time that there is."""
    rate, machine = RateControl(24), Machine(2 / 24 / speed, fixed, flow=0.004 / speed)
    given = play(rate, machine, 60)
    assert changes(given, SETTLING) == 0
    level = LEVELS.index(rate.quality)
    assert machine.mean(rate.quality) <= 1 / 24 or level == len(LEVELS) - 1
    if level > 0:
        assert machine.mean(LEVELS[level - 1]) > 0.75 / 24, "and no lower than need be"


@pytest.mark.parametrize(("before", "after"), [(0.02, 0.2), (0.2, 0.02), (0.06, 0.12), (0.3, 0.06)])
def test_it_follows_a_change_of_load(before, after):
    rate = RateControl(24)
    play(rate, Machine(before), 20)
    machine = Machine(after)
    given = play(rate, machine, 60)
    assert changes(given, SETTLING + 1) <= 1
    assert machine.mean(rate.quality) <= 1 / 24
    assert rate.quality == LEVELS[0] or machine.mean(LEVELS[LEVELS.index(rate.quality) - 1]) > 0.75 / 24


def test_it_recovers_as_soon_as_the_load_goes_away():
    rate = RateControl(24)
    play(rate, Machine(0.3), 300)
    assert rate.quality.coarseness >= 2
    given = play(rate, Machine(0.01), 5)
    assert rate.quality == Quality()
    assert changes(given) <= 3


def test_nothing_is_lowered_where_that_gains_nothing():
    """Most of the time goes elsewhere, such as into enlarging."""
    rate = RateControl(24)
    given = play(rate, Machine(0.004, fixed=0.2, flow=0.0), 60)
    assert sum(quality == Quality() for _, quality in given) > 0.9 * len(given)


def test_a_rate_that_cannot_be_held_costs_no_more_than_it_brings():
    rate, machine = RateControl(24), Machine(0.1, fixed=0.06, flow=0.004)
    given = play(rate, machine, 60)
    assert machine.mean(rate.quality) < 1.15 * min(machine.mean(level) for level in LEVELS)
    assert rate.quality.coarseness < LEVELS[-1].coarseness
    assert changes(given, SETTLING) <= 6


def test_single_slow_frames_change_nothing():
    rate = RateControl(25)
    for number in range(500):
        rate.add(0.3 if number % 10 == 0 else 0.02)
    assert rate.quality == Quality()


def test_strokes_are_never_finer_than_the_least():
    rate = RateControl(24, least=2.0)
    assert {quality.coarseness for _, quality in play(rate, Machine(0.001), 30)} == {2.0}
    assert rate.lowered == ""
    assert all(quality.coarseness >= 2 for _, quality in play(rate, Machine(0.5), 30))
    assert rate.lowered.startswith("strokes")


def test_an_effect_that_cannot_be_propagated_gets_coarser_strokes_only():
    rate = RateControl(24, propagates=False)
    machine = Machine(0.3)
    assert {quality.every for _, quality in play(rate, machine, 20)} == {1}
    assert machine.mean(rate.quality) <= 1 / 24


def test_a_limit_of_strokes_is_honored_and_other_things_are_lowered():
    rate, machine = RateControl(24), Machine(0.12)
    play(rate, machine, 10)
    assert rate.quality.coarseness > 1.2
    rate.limit(1.2)
    play(rate, machine, 10)
    assert rate.quality.coarseness <= 1.2 and rate.quality.every > 1
    assert machine.mean(rate.quality) <= 1 / 24
    rate.limit()
    play(rate, Machine(0.6), 10)
    assert rate.quality.coarseness > 1.2


def test_another_rate_can_be_aimed_at():
    rate, machine = RateControl(24), Machine(0.05)
    play(rate, machine, 10)
    assert rate.lowered
    rate.aim(15)
    play(rate, machine, 10)
    assert rate.lowered == "" and rate.fps == 15
    rate.aim(15.3)
    assert rate.fps == 15, "a camera's rate is never quite the same"


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        (Quality(), ""),
        (Quality(1.4), "strokes 1.4x"),
        (Quality(1.4, 2), "strokes 1.4x, every 2nd frame"),
        (Quality(1.0, 3), "every 3rd frame"),
        (Quality(4.0, 4), "strokes 4x, every 4th frame"),
    ],
)
def test_what_is_lowered_is_said(quality, words):
    assert quality.lowered() == words


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
