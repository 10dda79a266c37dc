"""Renders a video, image or folder: opens source, effect and sink from settings and runs them.

    from streamstyle.jobs.render import render
    from streamstyle.effects import StylizeSettings

    render("holiday.mp4", "stylized.mp4", StylizeSettings(style="great_wave"))

A video is planned in spans; a runner renders them into segments, and the segments are joined.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

from streamstyle.effects import RenderSettings, StylizeSettings
from streamstyle.files import refuse_overwrite, refuse_same_file
from streamstyle.frames import OptimizationStep, Progress
from streamstyle.jobs.provenance import provenance_of
from streamstyle.jobs.resume_record import input_of, read_record, record_of, warn_of_rounding
from streamstyle.jobs.runners import Runner, find_runner
from streamstyle.jobs.spans import OnProgress, OpenRender, VideoJob, open_render, plan
from streamstyle.part_folder import ordinary_target
from streamstyle.pipeline import Result
from streamstyle.sinks import sink_for
from streamstyle.sinks.pipe import PipeSink
from streamstyle.video.job_folder import JobFolder
from streamstyle.video.joining import finish
from streamstyle.video.packet_log import PacketLog
from streamstyle.video.video_format import VideoFormat, choose_format

_log = logging.getLogger("streamstyle")


def render(
    source: str | Path,
    output: str | Path,
    settings: RenderSettings | None = None,
    *,
    overwrite: bool = False,
    runner: str = "local",
    on_progress: Callable[[Progress], None] | None = None,
    on_step: Callable[[OptimizationStep], None] | None = None,
) -> Result:
    """Apply an effect to a video, an image or a folder of images.

    Example:
        from streamstyle import StylizeSettings, render

        settings = StylizeSettings(style="great_wave", max_size=160, length=0.4)
        result = render("samples/harbour.mp4", "wave.mp4", settings)
        print(f"{result.frames_out} frames, {result.fps:.1f} fps")

    Args:
        source: path, folder, URL, or "-" for stdin.
        output: path, folder, URL, or "-" for stdout; its ending chooses the format.
        settings: of the effect, such as `StylizeSettings` or `DreamSettings`; by default those of `stylize`.
        overwrite: replace an existing output.
        runner: how the spans of a video are rendered, a name from RUNNERS.
        on_progress: called a few times a second.
        on_step: called after each step of a transfer.

    Raises:
        StreamstyleError: with a one-line message; see `streamstyle.errors`.
    """
    run_spans = find_runner(runner)
    settings = settings or StylizeSettings()
    provenance, settings = provenance_of(settings), settings.absolute()
    for file in (source, *settings.files()):
        refuse_same_file(file, output)
    kind, options = sink_for(output), settings.write_options(overwrite)
    if not (PipeSink.accepts(str(output)) or os.path.isdir(output)):
        target = ordinary_target(Path(output))
        if kind.SEGMENTED:
            refuse_overwrite(target, overwrite)
    with open_render(str(source), settings, provenance, on_step) as opened:
        if kind.SEGMENTED:
            # Everything is checked before the folder of an unfinished run is touched.
            video = choose_format(Path(output), opened.info, options.encoding, options.audio)
            record = asdict(record_of(str(source), target.parent, settings, provenance, opened.device))
            with JobFolder.start(Path(output), opened.info, record, overwrite) as folder:
                return _complete(opened, video, folder, on_progress, run_spans)
        with kind.open(str(output), opened.info, options) as sink:
            return opened.run(sink, on_progress)


def resume(
    output: str | Path,
    *,
    input: str | Path | None = None,
    runner: str = "local",
    on_progress: Callable[[Progress], None] | None = None,
) -> Result:
    """Resume an unfinished video; the result is the same as that of an uninterrupted run.

    Finished parts are decoded again, so that later frames match exactly, but not stylized again. If the job
    folder was moved, the input and the other files of the render are also looked for at their former places
    relative to it, and beside it.

    Example:
        from streamstyle import resume

        print(resume("unfinished.mp4").frames_out)

    Args:
        output: the video that was to be written.
        input: where the input is now, if it is not found.
        runner: see `render`.
        on_progress: called a few times a second.

    Raises:
        UsageError: there is no such runner, or nothing to resume, or something has changed: the version of
            this program, the kind of device, or a file that determines the result.
        InputError: the input is missing, or differs from that of the first run.
        StreamstyleError: as `render`.
    """
    run_spans = find_runner(runner)
    with JobFolder.reopen(Path(output)) as folder:
        record, settings = read_record(folder)
        name = str(input) if input is not None else input_of(record, folder)
        with open_render(name, settings, record.provenance) as opened:
            folder.check_source(opened.info)
            warn_of_rounding(record, Path(output), settings, opened.device)
            options = settings.write_options(overwrite=True)
            video = choose_format(Path(output), opened.info, options.encoding, options.audio)
            if folder.segments:
                _log.info("%s: resuming after %d frames", output, folder.frames)
            return _complete(opened, video, folder, on_progress, run_spans)


def _complete(
    opened: OpenRender, video: VideoFormat, folder: JobFolder, on_progress: OnProgress, run_spans: Runner
) -> Result:
    """Render the missing segments, and join all of them."""
    with closing(PacketLog(folder.tracks, opened.info.tracks)) as log:
        job = VideoJob(opened, video, folder, log)
        result = run_spans(job, plan(folder), on_progress)
        log.close()
        frames = folder.written
        finish(folder, video, log)
    return replace(result, frames_out=frames)
