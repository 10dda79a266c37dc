"""Hints on a machine that is slow: what takes the time, and which options save it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streamstyle.apps.cli.reporting import Reporter
from streamstyle.effects import RenderSettings
from streamstyle.frames import Progress
from streamstyle.options import flag_of

SLOW_FPS = 10.0  # frames per second, below which a render is slow, …
LONG_SECONDS = 60.0  # … if it takes at least so long still
PATIENCE_SECONDS = 10.0  # until the rate is settled
HELD = 0.8  # share of the target rate, below which a camera is too slow
ENCODING = ("--preset ultrafast",)
LIVE = ("--size 480x360", "--fps 12")


def with_hint(reporter: Reporter, settings: RenderSettings) -> Callable[[Progress], None]:
    """A function that reports the progress of a render, and once how it would be faster if it is slow."""
    said = False

    def report(progress: Progress) -> None:
        nonlocal said
        reporter.progress(progress)
        if not said and (hint := slow_render(progress, settings)):
            said = True
            reporter.note(hint)

    return report


def slow_render(progress: Progress, settings: RenderSettings) -> str:
    """What takes the time of a slow render, and what would be faster; "" if it is fast or ends soon."""
    left = progress.eta_seconds or 0.0
    settled = progress.seconds >= PATIENCE_SECONDS
    if not settled or progress.fps >= SLOW_FPS or left < LONG_SECONDS or not progress.stage_ms:
        return ""
    stage, spent = max(progress.stage_ms.items(), key=lambda item: item[1])
    options = [option for option in _that_save(stage, settings) if not _is_given(option, settings)]
    if not options:
        return ""
    return (
        f"{progress.fps:.1f} fps, {left / 60:.0f} minutes left: {stage} takes {spent:.0f} ms a frame; "
        f"{' or '.join(options)} is faster, and `streamstyle doctor` says what computes"
    )


def _that_save(stage: str, settings: RenderSettings) -> tuple[str, ...]:
    if stage == "effect":
        return settings.FASTER
    return ENCODING if stage == "write" and settings.codec in ("auto", "h264", "hevc") else ()


def _is_given(option: str, settings: RenderSettings) -> bool:
    """Whether the user has set that option already."""
    flag = option.partition(" ")[0]
    kind = type(settings)
    return any(flag == flag_of(name, kind.model_fields[name]) for name in settings.model_fields_set)


class SlowCamera:
    """Tells, once, that a camera's frame rate is not held although the quality is lowered."""

    def __init__(self) -> None:
        self._slow_for = 0
        self._said = False

    def __call__(self, status: Mapping[str, float | int | str]) -> str:
        """A hint, or "".

        Args:
            status: of the live session, once every second.
        """
        fps, target = float(status["fps"]), float(status["target"])
        slow = status["state"] == "live" and 0 < fps < HELD * target
        self._slow_for = self._slow_for + 1 if slow else 0
        if self._said or self._slow_for < PATIENCE_SECONDS:
            return ""
        self._said = True
        lowered = status["lowered"] or "nothing that is lowered saves time"
        return f"{fps:.0f} of {target:.0f} fps: {lowered}; {' or '.join(LIVE)} asks less of this machine"
