"""Settings as pydantic models in which each field is declared once.

A field made with `option` is a setting of the Python interface, a key of presets, a command-line option with
help, range and default, and an entry of the provenance stored in outputs. Later values override earlier ones:
defaults < preset < environment < command line.

A preset is a TOML file whose keys are the names of the options, with _ for -.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from streamstyle.errors import UsageError, did_you_mean
from streamstyle.files import read_toml

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
    or_name: bool = False,
    positional: bool = False,
    several: bool = False,
    **limits: Any,
) -> Any:
    """Declares a field that is also a command-line option.

    Args:
        default: `...` if the value is required.
        help: one sentence; range and default are appended to it.
        panel: heading under which `--help` lists the option.
        flags: of the option; by default the field's name with - for _.
        metavar: placeholder for the value in `--help`.
        environment: variable that is read if the option is not given.
        text: the command line passes the value as text, which the model parses.
        file: the value is a file or folder whose content affects the result.
        or_name: of a file: the value may be a name or a color instead.
        positional: an argument instead of an option.
        several: may be repeated with --preview, otherwise given only once.
        **limits: ge, gt, le, lt: the allowed range.
    """
    about: dict[str, Any] = {
        "panel": panel,
        "flags": list(flags),
        "metavar": metavar,
        "environment": environment,
        "text": text,
        "file": file,
        "or_name": or_name,
        "positional": positional,
        "several": several,
    }
    return Field(default, description=help, json_schema_extra=about, **limits)


def same(model: type[BaseModel], name: str, **changes: Any) -> Any:
    """Reuses an option of another model; `changes` are passed to pydantic's Field."""
    return FieldInfo.merge_field_infos(model.model_fields[name], **changes)


def about(field: FieldInfo) -> dict[str, Any]:
    """The attributes that `option` stored for a field; empty if the field is not an option."""
    extra = field.json_schema_extra
    return dict(extra) if isinstance(extra, Mapping) else {}


def range_of(field: FieldInfo) -> str:
    """The allowed range in words, such as "1 to 12" or "above 0"; "" if the field has no limits."""
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


class GivenValues(dict[str, Any]):
    """Values from the command line by field name.

    Attributes:
        flags: by field name, the flag with which the user gave the value, such as "-t".
    """

    def __init__(self, *values: Mapping[str, Any]) -> None:
        super().__init__(*values)
        self.flags: dict[str, str] = {}


def make_settings(values: Mapping[str, Any], kind: type[AnyModel], where: str = "") -> AnyModel:
    """Validates plain values as settings.

    Args:
        values: by field name; if they are `GivenValues`, messages name the flags that the user wrote.
        kind: the settings model.
        where: file or command that the values come from, for the message.

    Raises:
        UsageError: a name is unknown (the message lists the closest and the known names), or a value is not
            allowed.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        flags = getattr(values, "flags", {})
        raise UsageError(_explanation(error, kind, where, flags)) from error
    except UsageError as error:
        raise UsageError(f"{where}: {error}" if where else str(error)) from error


def _explanation(error: ValidationError, kind: type[BaseModel], where: str, flags: Mapping[str, str]) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    prefix = f"{where}: " if where else ""
    if first["type"] == "extra_forbidden":
        known = [each for each in kind.model_fields if each not in getattr(kind, "OMITTED", ())]
        return f"{prefix}{name}: unknown setting{did_you_mean(name, known)}; known are {' '.join(known)}"
    field = kind.model_fields.get(str(first["loc"][0])) if first["loc"] else None
    option = name if where or field is None else flags.get(name, flag_of(name, field))
    if first["type"] == "missing":
        return f"{prefix}{option}: a value is required"
    given, reason = first["input"], _what_is_allowed(first, field)
    shown = f"{given:g}" if isinstance(given, float) else given
    return f"{prefix}{option} {shown}: {reason[:1].lower()}{reason[1:]}"


def _what_is_allowed(error: ErrorDetails, field: FieldInfo | None) -> str:
    limits = f", {allowed}" if field is not None and (allowed := range_of(field)) else ""
    match error["type"].partition("_")[0]:
        case "greater" | "less":
            return f"expected{limits.lstrip(',')}"
        case "int":
            return f"expected a whole number{limits}"
        case "float" | "finite":
            return f"expected a number{limits}"
        case "literal":
            choices = [str(choice) for choice in get_args(without_none(field.annotation))] if field else []
            return f"expected {' or '.join(choices)}{did_you_mean(str(error['input']), choices)}"
        case "bool":
            return "expected true or false"
        case "string":
            return "expected text"
    return error["msg"].removeprefix("Value error, ")


def without_none(annotation: Any) -> Any:
    """X of `X | None`."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (part for part in get_args(annotation) if part is not type(None))
    return annotation


def flag_of(name: str, field: FieldInfo) -> str:
    """The command-line flag of a field, for messages."""
    flags = about(field).get("flags") or [f"--{name.replace('_', '-')}"]
    return str(flags[0])


def preset_folder(kind: type[BaseModel]) -> Path:
    """The folder of a model's bundled presets: the subfolder of `configs` named by its PRESETS."""
    packaged = Path(str(files("streamstyle"))) / "configs"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[1] / "configs"
    return folder / getattr(kind, "PRESETS", "")


def bundled_presets(kind: type[BaseModel]) -> dict[str, Path]:
    """The bundled presets of a model, by name."""
    return {path.stem: path for path in sorted(preset_folder(kind).glob("*.toml"))}


def load_preset(name_or_path: str, kind: type[BaseModel]) -> dict[str, Any]:
    """Loads and validates the values of a preset.

    Raises:
        UsageError: there is no such preset, or it has an unknown or invalid setting.
        InputError: the file cannot be read or is not valid TOML.
    """
    presets = bundled_presets(kind)
    path = presets.get(name_or_path, Path(name_or_path))
    if not os.path.exists(path):
        hint = did_you_mean(name_or_path, presets)
        raise UsageError(
            f"--config {name_or_path}: no such file or preset{hint}; presets: {' '.join(presets)}"
        )
    values = read_toml(path, "a preset")
    required = {name for name, field in kind.model_fields.items() if field.is_required()} - values.keys()
    make_settings({**dict.fromkeys(required, "none"), **values}, kind, str(path))
    return values
