"""Turns functions into commands, with the options that a settings model declares."""

from __future__ import annotations

import inspect
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.core import TyperCommand

from streamstyle.apps.cli.completion import completion_of, completion_of_presets
from streamstyle.apps.cli.reporting import reporting
from streamstyle.options import GivenValues, about, load_preset, range_of, without_none

REPORT = "Reporting"
METAVARS = {int: "INTEGER", float: "NUMBER"}
OUTPUT_FLAGS = ("-o", "--output")
PAIR = "--pair"
ARGUMENTS = "streamstyle.arguments"  # key of the context's `meta`

Overwrite = Annotated[bool, typer.Option("-y", "--overwrite", help="Overwrite existing files.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.", rich_help_panel=REPORT)]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON instead of text, on stdout.", rich_help_panel=REPORT)
]
Verbose = Annotated[
    bool,
    typer.Option("-v", "--verbose", help="Also show the time of each stage.", rich_help_panel=REPORT),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.", rich_help_panel=REPORT)]


def command(
    app: typer.Typer,
    name: str,
    settings: type[BaseModel] | None = None,
    *,
    panel: str | None = None,
    examples: tuple[str, ...] = (),
    json: bool = True,
    stages: bool = False,
    omit: tuple[str, ...] = (),
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a function to the program as a command, with the options of a settings model.

    The function is called with a `Reporter`; then, if there is a model, with those of its values that a
    preset, the environment or the command line gives; then with its own parameters, declared as in Typer. Any
    error that it raises becomes one line and an exit code.

    Args:
        app: the program.
        name: of the command.
        settings: the model.
        panel: heading under which the program's help lists the command.
        examples: command lines to copy, which end the command's help.
        json: offer `--json`; no events are printed if the output itself goes to stdout.
        stages: offer `--verbose`; the command reports the progress of a render.
        omit: parameters of the function that the command does not offer.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        found = inspect.signature(function, eval_str=True).parameters.values()
        own = [entry for entry in list(found)[1 + (settings is not None) :] if entry.name not in omit]
        if settings is not None:
            own = merge_parameters(own, settings)
        own += parameters(
            quiet=Quiet,
            **({"verbose": Verbose} if stages else {}),
            **({"events": Json} if json else {}),
            debug=Debug,
        )

        def run(context: typer.Context, **values: Any) -> None:
            quiet, debug = values.pop("quiet"), values.pop("debug")
            verbose = values.pop("verbose", False)
            events = values.pop("events", False) and values.get("output") != "-"
            with reporting(events=events, quiet=quiet, verbose=verbose, debug=debug) as reporter:
                if settings is None:
                    function(reporter, **values)
                else:
                    chosen = given_values(context, values, settings)
                    function(reporter, chosen, **values)

        set_signature(run, own)
        run.__doc__ = in_paragraphs(getattr(settings, "SUMMARY", None) or function.__doc__ or "")
        kind = type("_CommandWithExamples", (_Command,), {"EXAMPLES": examples})
        app.command(name, cls=kind, rich_help_panel=panel)(run)
        return function

    return decorate


def in_paragraphs(text: str) -> str:
    """A docstring with each paragraph in one line, which the terminal's width wraps."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def set_signature(run: Callable[..., None], own: list[inspect.Parameter]) -> None:
    """Set the signature of a function that Typer reads."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    context = inspect.Parameter("context", kind, annotation=typer.Context)
    own.sort(key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    run.__signature__ = inspect.Signature([context, *own])  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *own)}


def parameters(**annotations: Any) -> list[inspect.Parameter]:
    """Parameters for switches that are off by default."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [inspect.Parameter(name, kind, default=False, annotation=a) for name, a in annotations.items()]


def merge_parameters(own: list[inspect.Parameter], settings: type[BaseModel]) -> list[inspect.Parameter]:
    """The function's first parameter, the model's arguments and options, then the function's other ones."""
    # Fields that a model declares itself come before inherited ones.
    names = dict.fromkeys(name for kind in settings.__mro__ for name in inspect.get_annotations(kind))
    omitted = getattr(settings, "OMITTED", ())
    fields = {name: settings.model_fields[name] for name in names if name in settings.model_fields}
    offered = {name: field for name, field in fields.items() if about(field) and name not in omitted}
    made = {name: parameter_of(name, field) for name, field in offered.items()}
    arguments = [made.pop(name) for name, field in offered.items() if about(field)["positional"]]
    if hasattr(settings, "PRESETS"):
        config = typer.Option(
            "--config",
            help="Preset: a name or a TOML file.",
            rich_help_panel="Look",
            autocompletion=completion_of_presets(settings),
        )
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        made["config"] = inspect.Parameter(
            "config", kind, default=None, annotation=Annotated[str | None, config]
        )
    return [*own[:1], *arguments, *made.values(), *own[1:]]


def parameter_of(name: str, field: FieldInfo) -> inspect.Parameter:
    """A field as a parameter for Typer; its value is None unless it is given."""
    extras, kind = about(field), inspect.Parameter.POSITIONAL_OR_KEYWORD
    kind_of_value = without_none(field.annotation)
    value = bool if kind_of_value is bool else str  # the model converts all others, with better messages
    if extras["positional"]:
        argument = typer.Argument(metavar=extras["metavar"], help=field.description)
        return inspect.Parameter(name, kind, annotation=Annotated[value, argument])
    flags = list(extras["flags"]) or [f"--{name.replace('_', '-')}"]
    if value is bool and not extras["flags"]:
        flags = [f"{flags[0]}/--no-{flags[0].removeprefix('--')}"]
    made = typer.Option(
        *flags,
        help=help_of(field),
        rich_help_panel=extras["panel"],
        show_default=False,
        metavar=extras["metavar"] or metavar_of(kind_of_value),
        envvar=extras["environment"],
        autocompletion=completion_of(name, field),
    )
    several = extras["several"] or get_origin(kind_of_value) is tuple
    listed = list[str] | None if several and not extras["text"] else value | None
    return inspect.Parameter(name, kind, default=None, annotation=Annotated[listed, made])


def metavar_of(kind: Any) -> str:
    """The placeholder for values of a type; "" for switches, which have none."""
    if get_origin(kind) is Literal:
        return "NAME"
    return "" if kind is bool else METAVARS.get(kind, "TEXT")


def help_of(field: FieldInfo) -> str:
    """The description of a field with its range or choices, and its default, in Rich's markup."""
    text, allowed = str(field.description), range_of(field)
    if get_origin(kind := without_none(field.annotation)) is Literal:
        choices = [str(choice) for choice in get_args(kind)]
        allowed = "" if all(choice in text.lower() for choice in choices) else " or ".join(choices)
    if allowed:
        text = f"{text} ({allowed})"
    default = field.default
    if isinstance(default, bool) or not isinstance(default, int | float | str) or default == "":
        return text
    default = f"{default:g}" if isinstance(default, float) else default
    return rf"{text} [dim]\[default: {default}][/dim]"


def given_values(context: typer.Context, values: dict[str, Any], settings: type[BaseModel]) -> GivenValues:
    """Remove the model's values from `values` and return those that were given; they override the preset.

    Raises:
        UsageError, InputError: the preset does not exist, or cannot be read.
    """
    preset = None if "config" in settings.model_fields else values.pop("config", None)
    chosen = GivenValues(load_preset(preset, settings) if preset is not None else {})
    written = [argument.partition("=")[0] for argument in context.meta.get(ARGUMENTS, ())]
    for name, field in settings.model_fields.items():
        value = values.pop(name, None)
        if value in (None, [], ()):
            continue
        source = context.get_parameter_source(name)
        if isinstance(value, list) and source is not None and source.name == "ENVIRONMENT":
            value = [os.environ[about(field)["environment"]]]  # click would split it at spaces
        chosen[name] = value
        if used := [flag for flag in about(field)["flags"] if flag in written]:
            chosen.flags[name] = used[-1]
    return chosen


class _Command(TyperCommand):
    """A command that keeps its arguments as the user wrote them, and shows examples in its help."""

    EXAMPLES: ClassVar[tuple[str, ...]] = ()

    def format_help(self, ctx: Any, formatter: Any) -> None:
        super().format_help(ctx, formatter)
        if self.EXAMPLES:  # not in a panel, and not wrapped, so that they can be copied
            print("\n".join([" Examples:", *(f"   {line}" for line in self.EXAMPLES), ""]))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, list(repeated_for_each(args)))


def repeated_for_each(arguments: Iterable[str]) -> Iterator[str]:
    """The arguments with `--pair A B` as `--pair A --pair B`: Typer has no lists of pairs."""
    waiting = deque(arguments)
    while waiting:
        argument = waiting.popleft()
        yield argument
        if argument == PAIR and len(waiting) > 1 and not waiting[1].startswith("-"):
            yield from (waiting.popleft(), PAIR, waiting.popleft())
