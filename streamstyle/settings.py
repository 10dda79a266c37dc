"""Settings that become options: pydantic models, each field declared once.

A field made with `option` is at the same time a setting of the Python interface, a key of presets, an option
of the command line with its help, range and default, and an entry of what outputs remember of how they were
made. Later sources win: defaults < preset < environment < command line.

A preset is a TOML file whose keys are the names of the options, with _ for -.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo

from streamstyle.errors import InputError, UsageError

AnyModel = TypeVar("AnyModel", bound=BaseModel)


def option(
    default: Any,
    help: str,
    panel: str,
    *,
    flags: tuple[str, ...] = (),
    metavar: str | None = None,
    environment: str | None = None,
    text: bool = False,
    file: bool = False,
    positional: bool = False,
    several: bool = False,
    **limits: Any,
) -> Any:
    """A setting that is an option of the command line.

    Args:
        default: `...` where a value must be given.
        help: one sentence; range and default are added to it.
        panel: heading under which `--help` lists it.
        flags: of the option; by default the field's name with - for _.
        metavar: what `--help` shows for the value.
        environment: variable that gives the value where the command line does not.
        text: the command line hands the value over as text, which the model reads.
        file: the value may name a file or folder, whose content then decides the result.
        positional: an argument, not an option.
        several: may be given several times with --preview, once otherwise.
        **limits: ge, gt, le, lt of the value.
    """
    about: dict[str, Any] = {
        "panel": panel,
        "flags": list(flags),
        "metavar": metavar,
        "environment": environment,
        "text": text,
        "file": file,
        "positional": positional,
        "several": several,
    }
    return Field(default, description=help, json_schema_extra=about, **limits)


def same(model: type[BaseModel], name: str, **changes: Any) -> Any:
    """The option of another model, for a model that has it, too; `changes` go to pydantic's Field."""
    return FieldInfo.merge_field_infos(model.model_fields[name], **changes)


def about(field: FieldInfo) -> dict[str, Any]:
    """What `option` was told of a field; empty for a field that is no option."""
    extra = field.json_schema_extra
    return dict(extra) if isinstance(extra, Mapping) else {}


def range_of(field: FieldInfo) -> str:
    """The allowed range in words, such as "1 to 12" or "above 0"; "" where there is none."""
    low = high = ""
    for limit in field.metadata:
        if isinstance(limit, Ge):
            low = f"{limit.ge:g}"
        elif isinstance(limit, Gt):
            low = f"above {limit.gt:g}"
        elif isinstance(limit, Le):
            high = f"{limit.le:g}"
        elif isinstance(limit, Lt):
            high = f"below {limit.lt:g}"
    if low and high:
        return f"{low} to {high}"
    if high:
        return high if high.startswith("below") else f"at most {high}"
    return low if not low or low.startswith("above") else f"at least {low}"


def make_settings(values: Mapping[str, Any], kind: type[AnyModel], where: str = "") -> AnyModel:
    """Settings from plain values.

    Args:
        values: by field name.
        kind: the model.
        where: file or command they come from, for the message.

    Raises:
        UsageError: a name is unknown (the nearest and the known ones are listed) or a value is not allowed.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        raise UsageError(_explanation(error, kind, where)) from error
    except UsageError as error:
        raise UsageError(f"{where}: {error}" if where else str(error)) from error


def _explanation(error: ValidationError, kind: type[BaseModel], where: str) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    begin = f"{where}: " if where else ""
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, kind.model_fields, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"{begin}{name}: unknown setting{hint}; known are {' '.join(kind.model_fields)}"
    field = kind.model_fields.get(str(first["loc"][0])) if first["loc"] else None
    option = name if where or field is None else flag_of(name, field)
    if first["type"] == "missing":
        return f"{begin}{option}: a value is needed"
    limited = first["type"].startswith(("greater_than", "less_than"))
    reason = first["msg"].removeprefix("Value error, ")
    if limited and field is not None:
        reason = f"expected {range_of(field)}"
    return f"{begin}{option} {first['input']}: {reason[:1].lower()}{reason[1:]}"


def flag_of(name: str, field: FieldInfo) -> str:
    """How the command line calls a field, for messages."""
    flags = about(field).get("flags") or [f"--{name.replace('_', '-')}"]
    return str(flags[0])


def preset_folder(kind: type[BaseModel]) -> Path:
    """Where the bundled presets for a model lie: the folder of `configs` that its PRESETS names."""
    packaged = Path(str(files("streamstyle"))) / "configs"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[1] / "configs"
    return folder / getattr(kind, "PRESETS", "")


def bundled_presets(kind: type[BaseModel]) -> dict[str, Path]:
    """The presets for a model that come with the project, by name."""
    return {path.stem: path for path in sorted(preset_folder(kind).glob("*.toml"))}


def load_preset(name_or_path: str, kind: type[BaseModel]) -> dict[str, Any]:
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
    required = {name for name, field in kind.model_fields.items() if field.is_required()} - values.keys()
    make_settings({**dict.fromkeys(required, "none"), **values}, kind, str(path))
    return values
