"""Renders a film or picture: opens source, effect and sink by their settings and runs them.

from streamstyle.render import render
from streamstyle.settings import RenderSettings

render("holiday.mp4", "painted.mp4", RenderSettings(style="great_wave"))
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamstyle.device import choose, share_cores
from streamstyle.effects.style import Style
from streamstyle.errors import UsageError
from streamstyle.media.codecs import EncodeOptions, choose_codec, container_format
from streamstyle.media.job import Job
from streamstyle.media.opening import is_url
from streamstyle.media.segments import file_hash
from streamstyle.pipeline import Result, run
from streamstyle.settings import RenderSettings, make_settings
from streamstyle.sinks import open_sink, sink_kind
from streamstyle.sources import open_source
from streamstyle.stream import Progress, Source
from streamstyle.weights import STYLES

_log = logging.getLogger("streamstyle")


def render(
    source: str | Path,
    output: str | Path,
    settings: RenderSettings | None = None,
    *,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Stylise a film, a picture or a folder of pictures.

    Args:
        source: path, folder, URL, or "-" for stdin.
        output: path, folder, URL, or "-" for stdout; its ending chooses the format.
        settings: what `streamstyle stylize --help` lists.
        overwrite: replace what is there.
        on_progress: called a few times a second.

    Raises:
        StreamstyleError: with a message of one line; see `streamstyle.errors`.
    """
    settings = settings or RenderSettings()
    refuse_same_file(source, output)
    kind = sink_kind(output)
    if kind == "video" and Path(output).exists() and not overwrite:
        raise UsageError(f"{output}: exists; -y overwrites it")
    with _open(str(source), settings) as opened:
        effect, job = _effect(settings), None
        if kind == "video":
            # Checked before the job begins, as that may throw an unfinished one away.
            choose_codec(container_format(output), encode_options(settings), Path(output).name)
            job = Job.start(Path(output), opened.info, _stored(str(source), settings), overwrite)
        return _run(opened, str(output), effect, settings, job, overwrite, on_progress)


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
        settings = make_settings(stored["settings"], str(job.folder))
        if stored["weights"] != weights_hash(settings.style):
            raise UsageError(f"{output}: the weights of {settings.style} have changed; start it anew with -y")
        with _open(stored["input"], settings) as opened:
            job.check_source(opened.info)
            return _run(opened, str(output), _effect(settings), settings, job, True, on_progress)
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


def _stored(source: str, settings: RenderSettings) -> dict[str, Any]:
    """What a resumed run needs. Names are absolute: it may begin in another folder."""
    absolute = source if source == "-" or is_url(source) else str(Path(source).absolute())
    style = settings.style if settings.style in STYLES else _absolute_file(settings.style)
    return {
        "input": absolute,
        "settings": settings.model_copy(update={"style": style}).model_dump(mode="json"),
        "weights": weights_hash(settings.style),
    }


def _absolute_file(name: str) -> str:
    return str(Path(name).absolute()) if Path(name).is_file() else name


def weights_hash(style: str) -> str:
    """SHA-256 of the weights of a style, "" for none."""
    if style in STYLES:
        return STYLES[style].sha256
    return file_hash(Path(style)) if Path(style).is_file() else ""


def _open(name: str, settings: RenderSettings) -> Source:
    return open_source(
        name,
        size=settings.size,
        max_size=settings.max_size,
        start=settings.start,
        length=settings.length,
        fps=settings.fps,
        deinterlace=settings.deinterlace,
    )


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


def _effect(settings: RenderSettings) -> Style:
    device = choose(settings.device)
    return Style(settings.style, strength=settings.strength, keep_colors=settings.keep_colors, device=device)


def _run(
    source: Source,
    output: str,
    effect: Style,
    settings: RenderSettings,
    job: Job | None,
    overwrite: bool,
    on_progress: Callable[[Progress], None] | None,
) -> Result:
    done = job.frames if job else 0
    state = job.state() if job else {}
    if source.info.kind == "film":
        share_cores(effect.device)
    try:
        sink = open_sink(
            output,
            source.info,
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
    with sink:
        return run(
            source, effect, [sink], device=effect.device, on_progress=on_progress, resume_at=done, state=state
        )
