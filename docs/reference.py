"""Writes docs/commands/ and docs/styles.md from the program itself: `python docs/reference.py`.

A test compares the pages with the program, so they cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from streamstyle.apps.cli import program
from streamstyle.weights import STYLES

HERE = Path(__file__).parent
FOLDER = HERE / "commands"
DEFAULT = re.compile(r"\s*\[dim\]\\\[default: (.*)\]\[/dim\]")  # as the help shows it, in Rich's markup
OTHERS = "Other options"  # heading of those without one


def commands() -> dict[str, Any]:
    """Each command by its name; those of `batch` as `batch stylize` and so on."""
    found = {}
    for name, command in get_command(program()).commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            found |= {f"{name} {part}": each for part, each in command.commands.items()}
        else:
            found[name] = command
    return found


def file_of(name: str) -> str:
    """The page of a command: all of `batch` share one."""
    return f"{name.partition(' ')[0]}.md"


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    known = commands()
    made = {file_of(name): page(name, command) for name, command in known.items() if " " not in name}
    parts = {name: command for name, command in known.items() if name.startswith("batch ")}
    return {"index.md": index(known), **made, "batch.md": page_of_batch(parts, known)}


def page_of_styles() -> str:
    """The page that shows every bundled style."""
    lines = [
        "# Styles",
        "",
        "`--style NAME` takes a bundled style. Each was trained after the painting that is named here; those",
        "by streamstyle are images that the project made itself. The faults of each are on its model card,",
        "in `streamstyle/weights/README.md` of the repository.",
        "",
        "    streamstyle styles --sheet samples/still_life.png -o every_style.png",
        "",
        "This shows all of them on an image of yours. [Any painting](any-painting.md) can be a style, too.",
        "",
    ]
    for name, style in STYLES.items():
        told = f"*{style.painting}*, {style.painter}, {style.year}"
        lines += [
            f"## {name}",
            "",
            told,
            "",
            f"![The three samples in the style {name}](styles/{name}.jpg)",
            "",
        ]
    return "\n".join([*lines, note(), ""])


def index(known: dict[str, Any]) -> str:
    """The page that lists all commands, in the groups of `streamstyle --help`."""
    lines = ["# Commands", "", note(), ""]
    groups: dict[str, list[str]] = {}
    for name, command in known.items():
        summary = first_line(command.help)
        groups.setdefault(command.rich_help_panel or "Videos and images", []).append(
            f"| [`{name}`]({file_of(name)}) | {cell(summary)} |"
        )
    for group, rows in groups.items():
        lines += [f"## {group}", "", "| command | what it does |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def page(name: str, command: Any) -> str:
    """The page of one command."""
    lines = [f"# {name}", "", *paragraphs(command.help), *usage(name, command), *examples(command)]
    lines += tables(command.params)
    return "\n".join([*lines, note(), ""])


def page_of_batch(parts: dict[str, Any], known: dict[str, Any]) -> str:
    """One page for all commands of `batch`, with the options that their effects do not have."""
    lines = [
        "# batch",
        "",
        "Applies an effect to many videos and images. [Many files](../scale-out.md) explains it.",
        "",
    ]
    for name, command in parts.items():
        effect = name.partition(" ")[2]
        lines += [f"## {name}", "", first_line(command.help), "", *usage(name, command), *examples(command)]
        lines += [f"It takes the options of [`{effect}`]({effect}.md), too, and those below.", ""]
    stylize = {flag for parameter in known["stylize"].params for flag in parameter.opts}
    own = [each for each in parts["batch stylize"].params if not stylize & set(each.opts)]
    lines += tables(own)
    return "\n".join([*lines, note(), ""])


def note() -> str:
    """What all pages say of themselves."""
    return "*This page is made from the program's own settings; `--help` says the same.*"


def first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield from (" ".join(paragraph.split()), "")


def usage(name: str, command: Any) -> list[str]:
    arguments = [each.metavar or each.name.upper() for each in command.params if is_argument(each)]
    return ["```text", " ".join(["streamstyle", name, *arguments, "[OPTIONS]"]), "```", ""]


def examples(command: Any) -> list[str]:
    return ["Examples:", "", "```text", *command.EXAMPLES, "```", ""] if command.EXAMPLES else []


def is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def tables(parameters: Iterable[Any]) -> list[str]:
    """The arguments, and the options of each group, as tables."""
    lines: list[str] = []
    groups: dict[str, list[Any]] = {}
    arguments = []
    for parameter in parameters:
        if is_argument(parameter):
            arguments.append(parameter)
        elif not parameter.hidden:
            groups.setdefault(parameter.rich_help_panel or OTHERS, []).append(parameter)
    if arguments:
        lines += ["## Arguments", "", "| argument | what it is |", "|---|---|"]
        lines += [
            f"| `{each.metavar or each.name.upper()}` | {cell(each.help or '')} |" for each in arguments
        ]
        lines.append("")
    for group in sorted(groups, key=lambda name: name in ("Reporting", OTHERS)):
        lines += [f"## {group}", "", "| option | what it does | default |", "|---|---|---|"]
        lines += [row(option) for option in groups[group]] + [""]
    return lines


def row(option: Any) -> str:
    """An option as a row: its names and placeholder, its help, its default."""
    flags = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
    placeholder = f" `{option.metavar}`" if option.metavar else ""
    text = option.help or ""
    default = found[1] if (found := DEFAULT.search(text)) else ""
    text = cell(DEFAULT.sub("", text))
    if option.envvar:
        text += f" Environment: `{option.envvar}`."
    return f"| {flags}{placeholder} | {text} | {f'`{default}`' if default else ''} |"


def cell(text: str) -> str:
    """Help as the content of a table's cell."""
    text = re.sub(r"\[/?(?:dim|bold)\]", "", text).replace("\\[", "[")
    text = re.sub(r"(?<![`\w-])(--?[a-z][\w-]*)(?![`\w-])", r"`\1`", text)
    parts = text.split("`")  # what stands in backticks stays as it is
    parts[::2] = [re.sub(r"([*<_{}|])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts).replace("|", "\\|") if "|" in "".join(parts[1::2]) else "`".join(parts)


def main() -> None:
    """Write the pages, and remove those of commands that are gone."""
    FOLDER.mkdir(exist_ok=True)
    made = pages()
    for file in FOLDER.glob("*.md"):
        if file.name not in made:
            file.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    (HERE / "styles.md").write_text(page_of_styles(), encoding="utf-8")


if __name__ == "__main__":
    main()
