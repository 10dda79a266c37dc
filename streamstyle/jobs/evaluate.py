"""Measures the temporal consistency of a stylized video, by the names of both videos."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from streamstyle.device import choose
from streamstyle.effects import RenderSettings, StylizeSettings
from streamstyle.errors import StreamstyleError
from streamstyle.evaluation import Evaluation, evaluate_frames
from streamstyle.jobs.build import open_effect
from streamstyle.jobs.provenance import settings_of_output
from streamstyle.optical_flow import FLOWS, FlowEstimation
from streamstyle.sources import open_source

ALONE = {"flow": "none", "device": "cpu"}  # each frame by itself


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
    """Measure what a stylized video changes along the optical flow of its source.

    Where the result tells how it was made, the source is read in the same way, and the result's style is
    compared with that of frames stylized by themselves.

    Example:
        from streamstyle import evaluate

        evaluation = evaluate("samples/harbour.mp4", "wave.mp4", length=0.4)
        print(evaluation.summary["excess_warp_error"], evaluation.cuts)

    Args:
        source: the video that was stylized.
        result: the stylized video.
        start, length: the part of the source that was stylized, in seconds.
        flow: a name of FLOWS, or a folder of exact flow.
        flow_size: longer side in pixels at which flow is estimated.
        flow_weights: file of RAFT's weights.
        on_progress: called after each frame with the number of frames measured and expected.

    Raises:
        InputError: a video cannot be read, or they have no frame in common.
    """
    motion = FlowEstimation(
        flow if flow in FLOWS else Path(flow),
        size=flow_size,
        weights=None if flow_weights is None else Path(flow_weights),
        device=choose("cpu"),
    )
    with ExitStack() as files:
        stylized = files.enter_context(open_source(result))
        made = how_it_was_made(Path(result))
        read = (made or StylizeSettings()).model_copy(update={"start": start, "length": length})
        opened = files.enter_context(read.open_source(str(source)))
        alone = None
        if made is not None:
            alone = files.enter_context(open_effect(made.model_copy(update=ALONE), "still"))
        total = opened.info.frames
        return evaluate_frames(
            opened,
            stylized,
            motion,
            frame_by_frame=alone,
            on_frame=lambda frame: on_progress(frame.frame + 1, total) if on_progress else None,
        )


def how_it_was_made(result: Path) -> RenderSettings | None:
    """The settings that a result keeps, where it keeps any that can be used here."""
    try:
        return settings_of_output(result)
    except StreamstyleError:
        return None
