"""Stylize videos, images and webcams with neural networks: the public interface.

Importing it is quick; torch, PyAV and OpenCV are imported once something is used.

Render a video, image, folder or stream, and go on with an interrupted one:

    from streamstyle import StylizeSettings, render, resume

    render("in.mp4", "out.mp4", StylizeSettings(style="great_wave", strength=0.8))

A style is a bundled name, a weights file, or the image of a painting; `predict` writes such a painting's
network to a file:

    from streamstyle import predict

    render("in.mp4", "out.mp4", StylizeSettings(style="painting.jpg"))
    predict("painting.jpg", "painting.safetensors")

Measure the temporal consistency of a result, and train a style:

    from pathlib import Path

    from streamstyle import Recipe, TrainingJob, evaluate, train

    print(evaluate("in.mp4", "out.mp4").summary["excess_warp_error"])
    train(TrainingJob(painting="wave.jpg"), Path("wave.safetensors"), Recipe(minutes=5))

One level below, sources, effects and sinks are put together by hand:

    from streamstyle import StylizeSettings, open_effect, open_sink, open_source, run
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from streamstyle.effects import (
        EFFECTS as EFFECTS,
        DreamSettings as DreamSettings,
        EffectContext as EffectContext,
        RenderSettings as RenderSettings,
        StylizeSettings as StylizeSettings,
        TransferSettings as TransferSettings,
        ZoomSettings as ZoomSettings,
    )
    from streamstyle.errors import (
        InputError as InputError,
        Interrupted as Interrupted,
        OutOfMemoryError as OutOfMemoryError,
        OutputError as OutputError,
        StreamstyleError as StreamstyleError,
        UsageError as UsageError,
    )
    from streamstyle.evaluation import Evaluation as Evaluation
    from streamstyle.frames import (
        Effect as Effect,
        Frame as Frame,
        Moment as Moment,
        Progress as Progress,
        Sink as Sink,
        Source as Source,
        StreamInfo as StreamInfo,
    )
    from streamstyle.jobs.build import open_effect as open_effect
    from streamstyle.jobs.evaluate import evaluate as evaluate
    from streamstyle.jobs.predict import predict as predict
    from streamstyle.jobs.render import render as render, resume as resume
    from streamstyle.pipeline import Result as Result, run as run
    from streamstyle.sinks import SINKS as SINKS, WriteOptions as WriteOptions, open_sink as open_sink
    from streamstyle.sources import SOURCES as SOURCES, ReadOptions as ReadOptions, open_source as open_source
    from streamstyle.training import Recipe as Recipe, TrainingJob as TrainingJob, train as train

_MODULES = {  # of each public name
    "EFFECTS": "streamstyle.effects",
    "DreamSettings": "streamstyle.effects",
    "EffectContext": "streamstyle.effects",
    "RenderSettings": "streamstyle.effects",
    "StylizeSettings": "streamstyle.effects",
    "TransferSettings": "streamstyle.effects",
    "ZoomSettings": "streamstyle.effects",
    "InputError": "streamstyle.errors",
    "Interrupted": "streamstyle.errors",
    "OutOfMemoryError": "streamstyle.errors",
    "OutputError": "streamstyle.errors",
    "StreamstyleError": "streamstyle.errors",
    "UsageError": "streamstyle.errors",
    "Evaluation": "streamstyle.evaluation",
    "Effect": "streamstyle.frames",
    "Frame": "streamstyle.frames",
    "Moment": "streamstyle.frames",
    "Progress": "streamstyle.frames",
    "Sink": "streamstyle.frames",
    "Source": "streamstyle.frames",
    "StreamInfo": "streamstyle.frames",
    "open_effect": "streamstyle.jobs.build",
    "evaluate": "streamstyle.jobs.evaluate",
    "predict": "streamstyle.jobs.predict",
    "render": "streamstyle.jobs.render",
    "resume": "streamstyle.jobs.render",
    "Result": "streamstyle.pipeline",
    "run": "streamstyle.pipeline",
    "SINKS": "streamstyle.sinks",
    "WriteOptions": "streamstyle.sinks",
    "open_sink": "streamstyle.sinks",
    "SOURCES": "streamstyle.sources",
    "ReadOptions": "streamstyle.sources",
    "open_source": "streamstyle.sources",
    "Recipe": "streamstyle.training",
    "TrainingJob": "streamstyle.training",
    "train": "streamstyle.training",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'streamstyle' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(["__version__", *_MODULES])
