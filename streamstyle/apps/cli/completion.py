"""What a shell offers after an option when Tab is pressed: names of styles, presets, layers and choices.

Nothing slow is imported, as the shell starts the program anew for each Tab. Where nothing is offered, shells
complete the names of files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from streamstyle.effects import EFFECTS, DreamSettings
from streamstyle.options import bundled_presets, without_none

DREAM_LAYERS = ("texture", "pattern", "part", "thing")  # the names that every feature network has


def completion_of(name: str, field: FieldInfo) -> Callable[[str], list[str]] | None:
    """What completes the value of an option; None if that is a file, a number or text."""
    if get_origin(kind := without_none(field.annotation)) is Literal:
        return _any_of([str(choice) for choice in get_args(kind)])
    return COMPLETIONS.get(name)


def completion_of_presets(settings: type[BaseModel]) -> Callable[[str], list[str]]:
    """What completes `--config` for an effect."""

    def complete(incomplete: str) -> list[str]:
        return _starting(bundled_presets(settings), incomplete)

    return complete


def complete_style(incomplete: str) -> list[str]:
    """Bundled styles; of a mixture, such as 0.6*ink+0.4*, the last one."""
    from streamstyle.weights.table import STYLES

    return _last_of_mixture([*STYLES, "none"], incomplete)


def complete_layer(incomplete: str) -> list[str]:
    """Layers of every feature network; of a mixture, the last one."""
    return _last_of_mixture(DREAM_LAYERS, incomplete)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _any_of(names: Iterable[str]) -> Callable[[str], list[str]]:
    def complete(incomplete: str) -> list[str]:
        return _starting(names, incomplete)

    return complete


def _last_of_mixture(names: Iterable[str], incomplete: str) -> list[str]:
    given = re.match(r"(.*[*+])?", incomplete)
    before = given.group() if given else ""
    return [before + name for name in _starting(names, incomplete[len(before) :])]


def _complete_effect(incomplete: str) -> list[str]:
    return _starting((name for name, kind in EFFECTS.items() if kind.LIVE), incomplete)


def _complete_live_preset(incomplete: str) -> list[str]:
    found = (preset for kind in EFFECTS.values() if kind.LIVE for preset in bundled_presets(kind))
    return _starting(dict.fromkeys(found), incomplete)


COMPLETIONS: dict[str, Callable[[str], list[str]]] = {  # by the name of the setting
    "style": complete_style,
    "layer": complete_layer,
    "effect": _complete_effect,
    "config": _complete_live_preset,
    "dream": completion_of_presets(DreamSettings),
    "device": _any_of(("auto", "cpu", "cuda", "cuda:all")),
    "runner": _any_of(("auto", "torch", "openvino", "onnxruntime")),
    "flow": _any_of(("auto", "fast", "medium", "dis", "raft", "none")),
    "codec": _any_of(
        (
            "h264",
            "hevc",
            "av1",
            "vp9",
            "prores",
            "ffv1",
            "h264_nvenc",
            "hevc_nvenc",
            "av1_nvenc",
            "lossless_rgb",
        )
    ),
}
