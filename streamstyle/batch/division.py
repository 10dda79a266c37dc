"""Which films are divided into spans, and the tasks of a film, step by step."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from streamstyle.batch.addresses import is_address
from streamstyle.batch.films import Film
from streamstyle.batch.shards import Shard
from streamstyle.batch.tasks import FindSpans, JoinSpans, RenderFilm, RenderSpan, spans_of
from streamstyle.jobs.span_folder import ENDING
from streamstyle.jobs.task_process import Task
from streamstyle.sinks import sink_for
from streamstyle.video.job_folder import unfinished_video

SPANS_OF_A_SLOT = 2  # as many for each slot of a pool, so that they end at about the same time

Steps = Generator[Sequence[Task], list[Any], Any]


def steps_of(film: Film, count: int, overlap: int, overwrite: bool) -> Steps:
    """The tasks of a film, step by step; those of a step may run at once.

    Args:
        film: what to render.
        count: number of spans to aim at.
        overlap: see `SpanSearch`.
        overwrite: replace what is there.

    Yields:
        Tasks; their values are sent back.

    Returns:
        What was done.
    """
    if _is_divided(film, count):
        (number,) = yield [FindSpans(film, count, overlap, overwrite)]
        if number:
            missing = spans_of(film.output).missing()
            yield [RenderSpan(film.output, place) for place in missing]
            (result,) = yield [JoinSpans(film.output, overwrite)]
            return result
    (result,) = yield [RenderFilm(film, overwrite)]
    return result


def _is_divided(film: Film, count: int) -> bool:
    """Whether a film is rendered in spans: it was begun so, or is long and was not begun as a whole."""
    if is_address(film.source) or is_address(film.output) or not sink_for(film.output).SEGMENTED:
        return False
    if os.path.isdir(film.output + ENDING):
        return True
    return count > 1 and unfinished_video(Path(film.output)) is None


def spans_aimed_at(films: Sequence[Film], slots: int) -> dict[str, int]:
    """By output, the number of spans to divide a film into, by its share of the bytes of all inputs.

    Where films are many and alike, each is one task: that is the least work. A long one is divided, so that
    no slot is idle at the end.
    """
    sizes = {film.output: size_of(film.source) for film in films}
    total = sum(sizes.values())
    return {
        output: int(SPANS_OF_A_SLOT * slots * size / total) if total else 1 for output, size in sizes.items()
    }


def own_films(films: Sequence[Film], shard: Shard | None) -> list[Film]:
    """The films that a batch has to do with: all of them, or those that a shard has a share in."""
    if shard is None:
        return list(films)
    return [film for _, film in shard.films(films, spans_aimed_at(films, shard.count))]


def size_of(source: str) -> int:
    """Bytes of an input; 0 if that is unknown."""
    try:
        return Path(source).stat().st_size
    except (OSError, ValueError):
        return 0
