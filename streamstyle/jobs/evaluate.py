"""Measures the temporal consistency of a stylized video, given the paths of both videos."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from streamstyle.effects import RenderSettings, StylizeSettings
from streamstyle.errors import StreamstyleError
from streamstyle.evaluation import Evaluation, evaluate_frames
from streamstyle.jobs.build import open_effect
from streamstyle.jobs.provenance import settings_of_output
from streamstyle.optical_flow import FlowEstimation
from streamstyle.sources import ReadOptions, open_source

LARGEST = 1920  # pixels of the longer side at which videos are measured; larger ones take gigabytes
FRAME_BY_FRAME = {"flow": "none", "device": "cpu"}


def evaluate(
    source: str | Path,
    result: str | Path,
    *,
    start: float = 0.0,
    length: float | None = None,
    flow: str = "medium",
    flow_size: int | None = None,
    flow_weights: str | Path | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> Evaluation:
    """Measure the temporal consistency of a stylized video along the optical flow of its source.

    Videos of more than 1920 pixels a side are scaled down to them.

    If the result contains its provenance, the source is read with the same settings, and the style of the
    result is compared with that of frames stylized one by one.

    Example:
        from streamstyle import evaluate

        evaluation = evaluate("samples/harbour.mp4", "wave.mp4", length=0.4)
        print(evaluation.summary["excess_warp_error"], evaluation.cuts)

    Args:
        source: the video that was stylized.
        result: the stylized video.
        start, length: the part of the source that was stylized, in seconds. Of a longer result, its beginning
            is measured.
        flow: a name from FLOWS, or a folder of exact flow.
        flow_size: longer side in pixels at which flow is estimated.
        flow_weights: file of RAFT's weights.
        on_progress: called after each frame with the number of frames measured and expected.

    Raises:
        InputError: a video cannot be read, or they have no frame in common.
    """
    motion = FlowEstimation(
        flow, size=flow_size, weights=None if flow_weights is None else Path(flow_weights)
    )
    with ExitStack() as files:
        stylized = files.enter_context(open_source(result, ReadOptions(max_size=LARGEST, length=length)))
        settings = known_settings(Path(result))
        read_settings = settings or StylizeSettings()
        largest = min(read_settings.max_size or LARGEST, LARGEST)
        part = {"start": start, "length": length, "max_size": None if read_settings.size else largest}
        read_settings = read_settings.model_copy(update=part)
        opened = files.enter_context(read_settings.open_source(str(source)))
        effect = None
        if settings is not None:
            effect = files.enter_context(open_effect(settings.model_copy(update=FRAME_BY_FRAME), "still"))
        total = opened.info.frames
        return evaluate_frames(
            opened,
            stylized,
            motion,
            frame_by_frame=effect,
            on_frame=lambda frame: on_progress(frame.frame + 1, total) if on_progress else None,
        )


def known_settings(result: Path) -> RenderSettings | None:
    """The settings in a result's provenance, or None if there are none that can be used here."""
    try:
        return settings_of_output(result)
    except StreamstyleError:
        return None
