"""Makes functions commands of the program, with the options that a settings model declares."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from streamstyle.apps.cli.reporting import Reporter, reporting
from streamstyle.settings import about, load_preset, range_of

REPORT = "Reporting"
SHOWN_TYPES = (bool, int, float)
OUTPUT_FLAGS = ("-o", "--output")

Overwrite = Annotated[bool, typer.Option("-y", "--overwrite", help="Replace what is there.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.", rich_help_panel=REPORT)]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of text, on stdout.", rich_help_panel=REPORT)
]
Debug = Annotated[bool, typer.Option("--debug", help="Tracebacks for errors.", rich_help_panel=REPORT)]


def command(
    app: typer.Typer,
    name: str,
    settings: type[BaseModel] | None = None,
    *,
    json: bool = True,
    omit: tuple[str, ...] = (),
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds a function to the program as a command, with the options of a settings model.

    The function is called with a `Reporter`; with `settings`, the values of the model that were given in a
    preset, the environment or on the command line, where there is a model; then with its own parameters,
    which are Typer's. Whatever it raises becomes one line and an exit code.

    Args:
        app: the program.
        name: of the command.
        settings: the model.
        json: offer `--json`; events are not printed where the output itself goes to stdout.
        omit: parameters of the function that the command does not offer.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        found = inspect.signature(function, eval_str=True).parameters.values()
        own = [entry for entry in list(found)[1 + (settings is not None) :] if entry.name not in omit]
        if settings is not None:
            own = merged(own, settings)
        own += parameters(quiet=Quiet, **({"events": Json} if json else {}), debug=Debug)

        def run(context: typer.Context, **values: Any) -> None:
            quiet, debug = values.pop("quiet"), values.pop("debug")
            events = values.pop("events", False) and values.get("output") != "-"
            with reporting(events=events, quiet=quiet, debug=debug) as reporter:
                if settings is None:
                    function(reporter, **values)
                else:
                    chosen = taken(context, values, settings)
                    function(reporter, chosen, **values)

        set_signature(run, own)
        run.__doc__ = inspect.cleandoc(getattr(settings, "SUMMARY", None) or function.__doc__ or "")
        app.command(name)(run)
        return function

    return decorate


def set_signature(run: Callable[..., None], own: list[inspect.Parameter]) -> None:
    """Gives a function the parameters that Typer is to read."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    context = inspect.Parameter("context", kind, annotation=typer.Context)
    own.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    run.__signature__ = inspect.Signature([context, *own])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *own)}


def parameters(**annotations: Any) -> list[inspect.Parameter]:
    """Switches that are off unless they are given."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [inspect.Parameter(name, kind, default=False, annotation=a) for name, a in annotations.items()]


def merged(own: list[inspect.Parameter], settings: type[BaseModel]) -> list[inspect.Parameter]:
    """The function's first argument, the model's arguments and options, then what else the function has."""
    # What a model declares itself comes before what it inherits.
    names = dict.fromkeys(name for kind in settings.__mro__ for name in inspect.get_annotations(kind))
    omitted = getattr(settings, "OMITTED", ())
    fields = {name: settings.model_fields[name] for name in names if name in settings.model_fields}
    offered = {name: field for name, field in fields.items() if about(field) and name not in omitted}
    made = {name: parameter_of(name, field) for name, field in offered.items()}
    arguments = [made.pop(name) for name, field in offered.items() if about(field)["positional"]]
    if hasattr(settings, "PRESETS"):
        config = typer.Option("--config", help="Preset, by name or TOML file.", rich_help_panel="Look")
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        made["config"] = inspect.Parameter(
            "config", kind, default=None, annotation=Annotated[str | None, config]
        )
    return [*own[:1], *arguments, *made.values(), *own[1:]]


def parameter_of(name: str, field: FieldInfo) -> inspect.Parameter:
    """A field as a parameter that Typer reads. Its value is None where it is not given."""
    told, kind = about(field), inspect.Parameter.POSITIONAL_OR_KEYWORD
    value = str if told["text"] else value_type(field.annotation)
    if told["positional"]:
        argument = typer.Argument(metavar=told["metavar"], help=field.description)
        return inspect.Parameter(name, kind, annotation=Annotated[value, argument])
    flags = list(told["flags"]) or [f"--{name.replace('_', '-')}"]
    if value is bool and not told["flags"]:
        flags = [f"{flags[0]}/--no-{flags[0].removeprefix('--')}"]
    made = typer.Option(
        *flags,
        help=help_of(field),
        rich_help_panel=told["panel"],
        show_default=False,
        metavar=told["metavar"],
        envvar=told["environment"],
    )
    several = told["several"] or get_origin(without_none(field.annotation)) is tuple
    listed = list[str] | None if several and not told["text"] else value | None
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[listed, made])


def without_none(annotation: Any) -> Any:
    """X of `X | None`."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (part for part in get_args(annotation) if part is not type(None))
    return annotation


def value_type(annotation: Any) -> type:
    """What Typer makes of the text on the command line; all else is left to the model."""
    annotation = without_none(annotation)
    if get_origin(annotation) is Literal:
        return str
    return annotation if annotation in SHOWN_TYPES else str


def help_of(field: FieldInfo) -> str:
    """The description, with the range and the default where they say something."""
    default = field.default
    shown = isinstance(default, int | float | str) and not isinstance(default, bool) and default != ""
    default = f"{default:g}" if isinstance(default, float) else default
    told = [range_of(field), f"default {default}" if shown else ""]
    added = ", ".join(text for text in told if text)
    return f"{field.description} ({added})" if added else str(field.description)


def taken(context: typer.Context, values: dict[str, Any], settings: type[BaseModel]) -> dict[str, Any]:
    """Takes the model's values out of all that were given; those of a preset come first.

    Raises:
        UsageError, InputError: the preset does not exist, or cannot be read.
    """
    preset = values.pop("config", None)
    chosen: dict[str, Any] = dict(load_preset(preset, settings)) if preset is not None else {}
    for name, field in settings.model_fields.items():
        value = values.pop(name, None)
        if value in (None, [], ()):
            continue
        source = context.get_parameter_source(name)
        if isinstance(value, list) and source is not None and source.name == "ENVIRONMENT":
            value = [os.environ[about(field)["environment"]]]  # click takes it apart at spaces
        chosen[name] = value
    return chosen


Given = Mapping[str, Any]
__all__ = ["Given", "Overwrite", "Reporter", "command"]
