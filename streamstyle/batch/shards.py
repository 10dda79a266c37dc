"""Shards: a batch without a cluster. Each of several runs does its share, and the last step joins the spans.

Every run finds the same films and the same spans, so that they need not talk to one another.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from streamstyle.batch.addresses import is_address
from streamstyle.batch.films import Film
from streamstyle.batch.tasks import FindSpans, RenderFilm, RenderSpan, spans_of
from streamstyle.errors import UsageError
from streamstyle.jobs.task_process import Task
from streamstyle.sinks import sink_for


@dataclass(frozen=True)
class Shard:
    """A share of a batch.

    Attributes:
        index: from 0.
        count: number of shards.
    """

    index: int
    count: int

    @classmethod
    def read(cls, text: str) -> Self:
        """The shard that is written as "0/3".

        Raises:
            UsageError: it is not written so.
        """
        index, separator, count = text.partition("/")
        if not (separator and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise UsageError(f"--shard {text}: expected I/N, with I from 0 to N - 1, such as 0/3")
        return cls(int(index), int(count))

    def has(self, film: int, span: int = 0) -> bool:
        """Whether a film, or a span of it, by their numbers, is in this shard."""
        return (film + span) % self.count == self.index

    def films(self, films: Sequence[Film], counts: dict[str, int]) -> list[tuple[int, Film]]:
        """The films that this shard has a share in, with their numbers; each shard begins at another one.

        Args:
            films: all of the batch.
            counts: number of spans to aim at, by output.
        """
        numbered = list(enumerate(films))
        begin = self.index * len(films) // self.count
        turned = numbered[begin:] + numbered[:begin]
        return [(number, film) for number, film in turned if may_divide(film, counts) or self.has(number)]

    def steps(self, number: int, film: Film, count: int, overlap: int, overwrite: bool) -> ShardSteps:
        """The tasks of this shard for a film; see `schedule.steps_of`.

        Returns:
            The number of frames of its spans, or what was done for the whole film.
        """
        if may_divide(film, {film.output: count}):
            (spans,) = yield [FindSpans(film, count, overlap, overwrite, shared=True)]
            if spans:
                missing = spans_of(film.output).missing()
                own = [place for place in missing if self.has(number, place)]
                return sum((yield [RenderSpan(film.output, place) for place in own]))
            if not self.has(number):
                return 0
        (result,) = yield [RenderFilm(film, overwrite)]
        return result


ShardSteps = Generator[Sequence[Task], list[Any], Any]


def may_divide(film: Film, counts: dict[str, int]) -> bool:
    """Whether a film is rendered in spans, as far as its name and size tell."""
    near = is_address(film.source) or is_address(film.output)
    return counts[film.output] > 1 and not near and sink_for(film.output).SEGMENTED
