"""The commands `batch` and `join`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, create_model

from streamstyle.apps.cli.command import Overwrite, command
from streamstyle.apps.cli.render import RENDER
from streamstyle.apps.cli.reporting import Reporter
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import Interrupted, StreamstyleError, UsageError
from streamstyle.options import about, make_settings, option

if TYPE_CHECKING:
    from streamstyle.batch.films import Film
    from streamstyle.batch.pool import Pool
    from streamstyle.batch.report import Entry, Report
    from streamstyle.batch.schedule import BatchOptions
    from streamstyle.batch.shards import Shard

FILMS, MACHINES = "Films", "Machines"

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="IN... OUTFOLDER",
        help="Videos, images, folders of them, and patterns; then the folder to write to.",
    ),
]


class BatchSettings(BaseModel):
    """The settings of a batch, beside those of the effect."""

    model_config = ConfigDict(extra="forbid")

    jobs: str | None = option(
        None, "TOML list of jobs, each with an input and options of its own.", FILMS, metavar="FILE"
    )
    recursive: bool = option(False, "Search subfolders, too.", FILMS, flags=("--recursive",))
    name: str | None = option(
        None, "Name of outputs: {stem} {style} {effect} {number} {suffix}.", FILMS, metavar="TEMPLATE"
    )
    retry: bool = option(False, "Only what failed or is missing.", FILMS, flags=("--retry",))
    plan: bool = option(
        False, "Only tell the tasks, the time and the space that it would take.", FILMS, flags=("--plan",)
    )
    report: str | None = option(
        None, "JSON file of what became of each film; OUTFOLDER/report.json.", FILMS, metavar="FILE"
    )
    shard: str | None = option(
        None, "Do the share I of N only; afterwards `streamstyle join OUTFOLDER`.", MACHINES, metavar="I/N"
    )
    workers: int | None = option(
        None, "Tasks at once; as many as cores, memory and cards carry.", MACHINES, ge=1, le=100_000
    )
    task_cores: int = option(1, "Cores that a task computes with.", MACHINES, ge=1, le=256)
    per_card: int = option(1, "Tasks at once on a CUDA device.", MACHINES, ge=1, le=64)
    cluster: str | None = option(
        None,
        "Ray cluster: auto (this machine is part of one), ray://HOST:PORT, or local.",
        MACHINES,
        metavar="ADDRESS",
    )
    task_memory: float | None = option(
        None, "Gigabytes that a task is given on a cluster.", MACHINES, gt=0, le=4096
    )
    overlap: int = option(
        0,
        "Divide long shots, too, with a run-in of so many frames; nearly, not exactly, the same result.",
        MACHINES,
        ge=0,
        le=10_000,
    )


def add_batch(app: typer.Typer) -> None:
    """Add `batch`, with a command for each effect of EFFECTS."""
    group = typer.Typer(
        no_args_is_help=True, help="Apply an effect to many films, by all cores, cards and machines."
    )
    for name, kind in EFFECTS.items():
        _add_effect(group, name, kind)
    app.add_typer(group, name="batch", rich_help_panel=RENDER)


def _add_effect(group: typer.Typer, name: str, kind: type[RenderSettings]) -> None:
    # Here the mixture is an option for every effect, as it may be given several times.
    named = {
        field: (entry.annotation, option(None, str(entry.description), about(entry)["panel"], several=True))
        for field, entry in kind.model_fields.items()
        if about(entry) and about(entry)["positional"]
    }
    summary = f"{(kind.SUMMARY or name).splitlines()[0].rstrip('.')}: many of them."
    settings = create_model(f"Batch{kind.__name__}", __base__=(BatchSettings, kind), **named)  # type: ignore[call-overload]
    setattr(settings, "SUMMARY", summary)  # noqa: B010 - a class that mypy does not know

    def effect(
        reporter: Reporter, given: dict[str, Any], paths: Paths = None, overwrite: Overwrite = False
    ) -> None:
        batch(reporter, name, given, paths or [], overwrite)

    examples = tuple(
        f"streamstyle batch {name} {rest}"
        for rest in ("films/ out/", "*.mp4 out/ --plan", "films/ out/ --retry", "--jobs jobs.toml out/")
    )
    command(group, name, settings, examples=examples)(effect)


def batch(reporter: Reporter, effect: str, given: dict[str, Any], paths: list[str], overwrite: bool) -> None:
    """Apply an effect to many films.

    Raises:
        StreamstyleError: the command cannot be understood, or the report cannot be written. A film that
            fails is none: it is counted.
    """
    own = {name: given.pop(name) for name in list(given) if name in BatchSettings.model_fields}
    settings = make_settings(own, BatchSettings)
    *inputs, folder = paths or [""]
    reporter.starting()
    films = _films(settings, effect, given, inputs, folder)
    from streamstyle.batch.division import own_films
    from streamstyle.batch.report import Report
    from streamstyle.batch.schedule import BatchOptions
    from streamstyle.batch.shards import Shard

    if settings.overlap:
        reporter.warn(
            "--overlap: long shots are divided; their frames are nearly those of one run, not exactly"
        )
    if settings.plan:
        with _opened_pool(settings, films) as pool:
            show_plan(reporter, films, pool, overwrite, folder)
        return
    shard = None if settings.shard is None else Shard.read(settings.shard)
    options = BatchOptions(overwrite, settings.retry, settings.overlap, shard)
    report = Report(_report_path(settings, folder, shard), own_films(films, shard))
    with _opened_pool(settings, films) as pool:
        _run(reporter, films, pool, report, options)
    finish(reporter, report)


def show_plan(reporter: Reporter, films: list[Film], pool: Pool, overwrite: bool, folder: str) -> None:
    """Print what a batch would take."""
    from streamstyle.batch.plan import as_values, plan
    from streamstyle.preview.video import readable_time

    made = plan(films, pool, overwrite=overwrite)
    lines = [
        f"{made.films} films to render, {made.existing} exist; {made.frames} frames in {made.tasks} tasks"
    ]
    lines += [f"cannot be read: {why}" for why in made.unreadable.values()]
    for look, cost in made.costs.items():
        lines.append(
            f"{look}: {1000 * cost.render_seconds:.1f} ms a frame, {cost.open_seconds:.1f} s to open "
            f"(measured on {cost.frames} frames of {cost.source})"
        )
    for workers, found in made.forecasts.items():
        here = " (here)" if workers == pool.slots else ""
        share = f"{100 * found.efficiency:.0f} % of their time used"
        lines.append(f"{workers} at once{here}: about {readable_time(found.seconds)}, {share}")
    space = f"disk space: about {made.bytes / 1e6:.0f} MB, and {made.most_bytes / 1e6:.0f} MB meanwhile"
    place = next((path for path in (Path(folder), *Path(folder).absolute().parents) if path.is_dir()), None)
    free = "" if place is None else f"; {shutil.disk_usage(place).free / 1e6:.0f} MB are free"
    reporter.report({"event": "plan", **as_values(made)}, "\n".join([*lines, space + free]))


def _films(
    settings: BatchSettings, effect: str, given: dict[str, Any], inputs: list[str], folder: str
) -> list[Film]:
    from streamstyle.batch.films import Naming, check_outputs, films_of, films_of_list, find_inputs

    naming = Naming(folder, settings.name or "")
    films: list[Film] = []
    if settings.jobs is not None:
        films += films_of_list(Path(settings.jobs), given, effect, naming)
    elif not inputs:
        raise UsageError(
            "IN... OUTFOLDER: name at least one input and the folder to write to, or --jobs FILE"
        )
    if inputs:
        films += films_of(find_inputs(inputs, recursive=settings.recursive), given, effect, naming)
    if folder and os.path.exists(folder) and not os.path.isdir(folder):
        raise UsageError(f"{folder}: is not a folder; name the folder to write to last")
    check_outputs(films)
    return films


def _report_path(settings: BatchSettings, folder: str, shard: Shard | None) -> Path:
    if settings.report is not None:
        return Path(settings.report)
    from streamstyle.batch.addresses import is_address

    if not folder or is_address(folder):
        raise UsageError("--report: name the file for the report, as there is no OUTFOLDER on this machine")
    return Path(folder) / ("report.json" if shard is None else f"report.{shard.index}of{shard.count}.json")


def _device(films: list[Film]) -> str:
    devices = sorted({film.settings.device for film in films})
    if len(devices) > 1:
        raise UsageError(f"device: all jobs of a batch have the same one, not {' and '.join(devices)}")
    return devices[0]


@contextmanager
def _opened_pool(settings: BatchSettings, films: list[Film]) -> Iterator[Pool]:
    from streamstyle.batch.pool import PoolOptions
    from streamstyle.batch.pools import POOLS

    memory = settings.task_memory
    options = PoolOptions(
        device=_device(films),
        workers=settings.workers,
        per_card=settings.per_card,
        cores=settings.task_cores,
        memory=None if memory is None else round(memory * 1e9),
        address=settings.cluster or "",
    )
    pool = POOLS["local" if settings.cluster is None else "ray"](options)
    try:
        yield pool
    finally:
        pool.close()


def _run(reporter: Reporter, films: list[Film], pool: Pool, report: Report, options: BatchOptions) -> None:
    from streamstyle.batch.schedule import Batch, check_settings

    def on_film(entry: Entry) -> None:
        reporter.event("film", **{name: value for name, value in asdict(entry).items() if name != "settings"})
        if entry.status == "failed":
            reporter.note(f"failed: {entry.output}: {entry.error}")

    try:
        new = [
            film for film in films if (entry := report.entries.get(film.output)) and entry.status != "done"
        ]
        check_settings(new, pool)
        Batch(films, pool, report, options, reporter.batch, on_film).run()
    except Interrupted as error:
        ended = len(films) - report.counts["running"] - report.counts["waiting"]
        raise Interrupted(
            f"{error}; {ended} of {len(films)} films have ended; the same command goes on"
        ) from error


def finish(reporter: Reporter, report: Report) -> None:
    """Print the summary; exit with code 5 if a film failed or is damaged."""
    reporter.close()
    counts = {status: count for status, count in report.counts.items() if count}
    entries = report.entries.values()
    reporter.event("done", films=len(entries), **counts, report=str(report.path))
    frames = sum(entry.frames or 0 for entry in entries)
    parts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    reporter.note(f"{len(entries)} films: {parts}; {frames} frames; {report.path}")
    if counts.keys() & {"failed", "damaged"}:
        raise typer.Exit(5)


def join(
    reporter: Reporter,
    outputs: Annotated[
        list[Path], typer.Argument(metavar="OUT...", help="Outputs of `batch --shard`, or their folders.")
    ],
    overwrite: Overwrite = False,
) -> None:
    """Join the spans of films that were rendered in shards."""
    from streamstyle.batch.tasks import JoinSpans
    from streamstyle.jobs.span_folder import spans_in

    found, failed = spans_in(outputs), False
    for output in found:
        try:
            result = JoinSpans(str(output), overwrite)(lambda progress: None)
        except StreamstyleError as error:
            if len(found) == 1 or isinstance(error, Interrupted):
                raise
            failed = True
            reporter.warn(f"failed: {error}")
            continue
        reporter.event("joined", output=str(output), frames=result.frames_out)
        reporter.note(f"{result.frames_out} frames: {output}")
    if not found:
        reporter.note("nothing to join: no output here has spans")
    if failed:
        raise typer.Exit(5)
