"""The settings of a render: one model for each effect, filled from presets, the environment and the command
line.

A preset is a TOML file whose keys are the names of the options, with _ for -. Later sources win:
defaults < preset < environment < command line.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from streamstyle.errors import InputError, UsageError
from streamstyle.settings.dream import DreamSettings, ZoomSettings
from streamstyle.settings.film import FLOWS, RenderSettings
from streamstyle.settings.style import STEADY, StylizeSettings
from streamstyle.settings.transfer import TransferSettings

__all__ = [
    "FLOWS",
    "SETTINGS",
    "STEADY",
    "DreamSettings",
    "RenderSettings",
    "StylizeSettings",
    "TransferSettings",
    "ZoomSettings",
    "bundled_presets",
    "load_preset",
    "make_settings",
]

AnySettings = TypeVar("AnySettings", bound=RenderSettings)
SETTINGS: dict[str, type[RenderSettings]] = {
    "style": StylizeSettings,
    "dream": DreamSettings,
    "zoom": ZoomSettings,
    "transfer": TransferSettings,
}


def make_settings(
    values: dict[str, Any],
    where: str = "",
    kind: type[AnySettings] = StylizeSettings,  # type: ignore[assignment]
) -> AnySettings:
    """Settings from plain values.

    Args:
        values: by field name.
        where: file or command they come from, for the message.
        kind: for which effect.

    Raises:
        UsageError: a name is unknown (the known ones are listed) or a value is not allowed.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        raise UsageError(_explain(error, where, kind)) from error
    except UsageError as error:
        raise UsageError(f"{where}: {error}" if where else str(error)) from error


def _explain(error: ValidationError, where: str, kind: type[RenderSettings]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    begin = f"{where}: " if where else ""
    if first["type"] == "extra_forbidden":
        return f"{begin}{name}: unknown setting; known are {' '.join(kind.model_fields)}"
    reason = first["msg"].removeprefix("Value error, ")
    option = name if where else "--" + name.replace("_", "-")
    return f"{begin}{option} {first['input']}: {reason[0].lower()}{reason[1:]}"


def bundled_presets(kind: type[RenderSettings] = StylizeSettings) -> dict[str, Path]:
    """The presets for an effect that come with the project, by name."""
    packaged = Path(str(files("streamstyle"))) / "configs"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "configs"
    if issubclass(kind, DreamSettings):
        folder = folder / "dream"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_preset(name_or_path: str, kind: type[RenderSettings] = StylizeSettings) -> dict[str, Any]:
    """The values of a preset, checked.

    Raises:
        UsageError: no such preset, or an unknown or wrong setting in it.
        InputError: the file cannot be read.
    """
    presets = bundled_presets(kind)
    path = presets.get(name_or_path, Path(name_or_path))
    if not path.exists():
        raise UsageError(f"--config {name_or_path}: no such file or preset; presets: {' '.join(presets)}")
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a preset that can be read ({error})") from error
    make_settings(values, str(path), kind)
    return values
