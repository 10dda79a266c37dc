"""Renders a film or picture: opens source, effect and sink by their settings and runs them.

from streamstyle.jobs.render import render
from streamstyle.settings import StylizeSettings

render("holiday.mp4", "painted.mp4", StylizeSettings(style="great_wave"))
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamstyle.device import choose, shared_cores
from streamstyle.effects.transfer import Step
from streamstyle.errors import UsageError
from streamstyle.frames import Effect, Progress, Source
from streamstyle.jobs.build import open_effect, open_input, open_motion
from streamstyle.jobs.provenance import name_of_effect, names_in, recipe_of, weights_hashes
from streamstyle.pipeline import Result, run
from streamstyle.settings import (
    SETTINGS,
    RenderSettings,
    StylizeSettings,
    make_settings,
)
from streamstyle.sinks import open_sink, sink_kind
from streamstyle.video.codecs import EncodeOptions, choose_codec, container_format
from streamstyle.video.job_folder import Job
from streamstyle.video.opening import is_url

_log = logging.getLogger("streamstyle")


def render(
    source: str | Path,
    output: str | Path,
    settings: RenderSettings | None = None,
    *,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Result:
    """Stylise a film, a picture or a folder of pictures.

    Args:
        source: path, folder, URL, or "-" for stdin.
        output: path, folder, URL, or "-" for stdout; its ending chooses the format.
        settings: what `streamstyle stylize --help` or `streamstyle dream --help` lists.
        overwrite: replace what is there.
        on_progress: called a few times a second.
        on_step: called after each step of a transfer.

    Raises:
        StreamstyleError: with a message of one line; see `streamstyle.errors`.
    """
    settings = settings or StylizeSettings()
    recipe, settings = recipe_of(settings), settings.absolute()
    for read in (source, *names_in(settings), *([settings.mask] if settings.mask else [])):
        refuse_same_file(read, output)
    kind = sink_kind(output)
    if kind == "video" and Path(output).exists() and not overwrite:
        raise UsageError(f"{output}: exists; -y overwrites it")
    with (
        open_input(str(source), settings) as opened,
        open_effect(settings, opened.info.kind, on_step) as effect,
    ):
        job = None
        if kind == "video":
            # Checked before the job begins, as that may throw an unfinished one away.
            choose_codec(container_format(output), encode_options(settings), Path(output).name)
            stored = _stored(str(source), settings, recipe)
            job = Job.start(Path(output), opened.info, stored, overwrite)
        return _run(opened, str(output), effect, settings, recipe, job, overwrite, on_progress)


def resume(output: str | Path, *, on_progress: Callable[[Progress], None] | None = None) -> Result:
    """Go on with an unfinished film; the result is the one an uninterrupted run gives.

    Frames that are done are decoded again, as this is the only way to the same pictures behind them, but
    not stylised again.

    Args:
        output: the film that was to be written.
        on_progress: called a few times a second.

    Raises:
        UsageError: there is nothing to go on with.
        InputError: the input or the style's weights are not those of the first run.
        StreamstyleError: as `render`.
    """
    job = Job.reopen(Path(output))
    try:
        stored = job.settings
        if "input" not in stored:
            raise UsageError(f"{output}: the run did not record its settings; start it anew")
        settings = make_settings(stored["settings"], str(job.folder), SETTINGS[stored.get("effect", "style")])
        if stored["weights"] != weights_hashes(settings):
            raise UsageError(f"{output}: the weights of the style have changed; start it anew with -y")
        with (
            open_input(stored["input"], settings) as opened,
            open_effect(settings, opened.info.kind) as effect,
        ):
            job.check_source(opened.info)
            return _run(opened, str(output), effect, settings, stored["recipe"], job, True, on_progress)
    except BaseException:
        job.release()
        raise


def refuse_same_file(source: str | Path, output: str | Path) -> None:
    """Make sure that the original is not overwritten, under whatever name.

    Raises:
        UsageError: both are the same file.
    """
    with suppress(OSError):  # one of them is missing: they cannot be the same
        if Path(source).samefile(output) and not Path(source).is_dir():
            raise UsageError(f"{output}: is the input itself; name another output")
        if Path(source).is_dir() and Path(source).samefile(output):
            raise UsageError(f"{output}: is the folder of the input pictures; name another one")


def _stored(source: str, settings: RenderSettings, recipe: str) -> dict[str, Any]:
    """What a resumed run needs. Names are absolute: it may begin in another folder."""
    absolute = source if source == "-" or is_url(source) else str(Path(source).absolute())
    return {
        "input": absolute,
        "effect": name_of_effect(settings),
        "settings": settings.model_dump(mode="json"),
        "weights": weights_hashes(settings),
        "recipe": recipe,
    }


def encode_options(settings: RenderSettings) -> EncodeOptions:
    """The part of the settings that is for the encoder."""
    return EncodeOptions(
        codec=settings.codec,
        quality=settings.crf,
        preset=settings.preset,
        pixel_format=settings.pix_fmt,
        bit_rate=settings.bitrate,
        threads=settings.threads,
    )


def _run(
    source: Source,
    output: str,
    effect: Effect,
    settings: RenderSettings,
    recipe: str,
    job: Job | None,
    overwrite: bool,
    on_progress: Callable[[Progress], None] | None,
) -> Result:
    done = job.frames if job else 0
    state = job.state() if job else {}
    device, motion = choose(settings.device), open_motion(settings, source.info.kind)
    try:
        sink = open_sink(
            output,
            replace(source.info, recipe=recipe),
            encode_options(settings),
            audio=settings.audio,
            overwrite=overwrite,
            quality=settings.quality,
            format=settings.format,
            job=job,
        )
    except BaseException:
        if job and not job.segments:
            job.remove()
        raise
    if done:
        _log.info("%s: going on after %d frames", output, done)
    beside = 1 if source.info.kind == "film" else 0
    with sink, shared_cores(device, beside):
        return run(
            source,
            effect,
            [sink],
            motion=motion,
            device=device,
            on_progress=on_progress,
            resume_at=done,
            state=state,
        )
