"""The films of a batch: which inputs there are, and what their outputs are called."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from streamstyle.batch.addresses import is_address, matching
from streamstyle.effects import EFFECTS, RenderSettings
from streamstyle.errors import InputError, UsageError, did_you_mean
from streamstyle.files import read_toml
from streamstyle.image_recognition import is_image
from streamstyle.options import GivenValues, make_settings
from streamstyle.sinks import sink_for

VIDEOS = frozenset(
    {
        *(".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".gif", ".h264", ".hevc", ".m2ts", ".m2v", ".m4v"),
        *(".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
    }
)
_WRITABLE = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif"}
_IMAGES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp"}
_NAMES = ("stem", "style", "effect", "suffix", "number")
_JOB_KEYS = ("input", "output", "effect", "recursive", "name")


@dataclass(frozen=True)
class Film:
    """An input and what becomes of it.

    Attributes:
        source: a path, URL or address.
        output: a path or an address.
        settings: of the render, with files named as the user named them.
    """

    source: str
    output: str
    settings: RenderSettings

    @property
    def effect(self) -> str:
        """Its name in EFFECTS."""
        return next(name for name, kind in EFFECTS.items() if type(self.settings) is kind)


@dataclass(frozen=True)
class Naming:
    """How outputs are called.

    Attributes:
        folder: a path or address that they are put into; "" if each job names its output.
        template: such as "{stem}_{style}{suffix}"; "" for a name that tells several mixtures apart.
    """

    folder: str
    template: str = ""

    def __post_init__(self) -> None:
        try:
            fields = [field for _, field, _, _ in Formatter().parse(self.template) if field is not None]
        except ValueError as error:
            raise UsageError(f"--name {self.template}: {error}") from error
        for field in fields:
            if field not in _NAMES:
                hint = did_you_mean(field, _NAMES)
                known = " ".join(f"{{{name}}}" for name in _NAMES)
                raise UsageError(f"--name {self.template}: unknown {{{field}}}{hint}; known are {known}")

    def output(self, found: Found, settings: RenderSettings, effect: str, *, several: bool) -> str:
        """The output of an input."""
        template = self.template or ("{stem}_{style}{suffix}" if several else "{stem}{suffix}")
        path = Path(found.relative)
        name = template.format(
            stem=path.stem,
            style=in_a_name(settings.mixture) if settings.MIXTURE else effect,
            effect=effect,
            suffix=output_suffix(found, settings),
            number=found.number,
        )
        above = path.parent.as_posix()
        inside = name if above == "." else f"{above}/{name}"
        return joined(self.folder, inside)


@dataclass(frozen=True)
class Found:
    """An input that was found.

    Attributes:
        source: a path, URL or address.
        relative: its path from the folder that was searched, or its name.
        number: place among the inputs, from 1.
    """

    source: str
    relative: str
    number: int


def joined(folder: str, name: str) -> str:
    """The path or address of a name in a folder; of itself if it has one."""
    if is_address(name):
        return name
    return f"{folder.rstrip('/')}/{name}" if is_address(folder) else str(Path(folder) / name)


def in_a_name(mixture: str) -> str:
    """A mixture as a part of a file name: "0.6*ink+0.4*styles/my.safetensors" as "0.6xink+0.4xmy"."""
    parts = (part.replace("*", "x") for part in re.split(r"(?<=[^+])\+", mixture))
    stems = (re.sub(r"^([\d.]+x)?(?:.*[/\\])?([^/\\]*?)(\.[A-Za-z]\w*)?$", r"\1\2", part) for part in parts)
    return re.sub(r"[^\w.+-]", "-", "+".join(stems)) or "mixture"


def output_suffix(found: Found, settings: RenderSettings) -> str:
    """The input's suffix if it can be written, else that of the most common format."""
    suffix = Path(found.relative).suffix.lower()
    if settings.ANIMATES:
        return ".mp4"
    if suffix in _WRITABLE | _IMAGES:
        return suffix
    return ".png" if not is_address(found.source) and is_image(Path(found.source)) else ".mp4"


def find_inputs(names: Iterable[str], *, recursive: bool = False) -> list[Found]:
    """The inputs that names stand for: files, URLs, addresses, patterns, and what lies in folders.

    What is named by itself is taken even if it does not exist: its failure is reported as that of one film.

    Args:
        names: as the user wrote them.
        recursive: search subfolders, too.

    Raises:
        UsageError: a pattern or a folder has no film or image.
    """
    found: dict[str, str] = {}  # relative path by source
    for name in names:
        for source, relative in _inputs_of(name, recursive):
            found.setdefault(source, relative)
    return [Found(source, relative, number) for number, (source, relative) in enumerate(found.items(), 1)]


def _inputs_of(name: str, recursive: bool) -> Iterator[tuple[str, str]]:
    """(source, relative path) of each input that a name stands for."""
    if name == "-":
        raise UsageError("-: a batch cannot read stdin; use the command of the effect")
    if is_address(name):
        yield from matching(name)
    elif "://" in name or (os.path.exists(name) and not os.path.isdir(name)):
        yield name, name.rpartition("/")[2] if "://" in name else Path(name).name
    elif os.path.isdir(name):
        yield from _in_folder(Path(name), recursive)
    elif glob.has_magic(name):
        matches = glob.iglob(name, recursive=True)  # noqa: PTH207 - Path's takes no absolute patterns
        paths = sorted(path for path in matches if not os.path.isdir(path))
        if not paths:
            raise UsageError(f"{name}: matches no file")
        yield from ((path, Path(path).name) for path in paths)
    else:
        yield name, Path(name).name


def _in_folder(folder: Path, recursive: bool) -> Iterator[tuple[str, str]]:
    paths = sorted(folder.rglob("*") if recursive else folder.iterdir())
    inside = [(path, path.relative_to(folder)) for path in paths]
    films = [
        (str(path), relative.as_posix())
        for path, relative in inside
        if not any(part.startswith(".") or part.endswith((".part", ".spans")) for part in relative.parts)
        and os.path.isfile(path)
        and (path.suffix.lower() in VIDEOS or is_image(path))
    ]
    if not films:
        deeper = "" if recursive else "; --recursive searches its subfolders"
        raise UsageError(f"{folder}: no video or image in this folder{deeper}")
    yield from films


def films_of(
    found: Sequence[Found], values: Mapping[str, Any], effect: str, naming: Naming, where: str = ""
) -> Iterator[Film]:
    """A film for each input and each mixture.

    Args:
        found: the inputs.
        values: of the settings; the mixture may be a list of several.
        effect: name in EFFECTS.
        naming: of the outputs.
        where: the file that the values come from, for messages.

    Raises:
        UsageError: a value is not allowed.
    """
    kind = EFFECTS[effect]
    mixtures = values.get(kind.MIXTURE) if kind.MIXTURE else None
    several = mixtures if isinstance(mixtures, list) else [mixtures]
    for mixture in several:
        settings = make_settings(_with(values, kind.MIXTURE, mixture), kind, where)
        for entry in found:
            output = naming.output(entry, settings, effect, several=len(several) > 1)
            yield Film(entry.source, output, settings)


def _with(values: Mapping[str, Any], name: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return values
    changed = GivenValues({**values, name: value})
    changed.flags = getattr(values, "flags", {})
    return changed


def films_of_list(path: Path, given: Mapping[str, Any], effect: str, naming: Naming) -> Iterator[Film]:
    """The films of a job list, a TOML file: settings for all on top, then a [[job]] for each input.

    A job has `input` (a name as on the command line, or several), perhaps `output`, `effect`, `recursive`,
    `name`, and settings of its own. Values given on the command line win.

    Raises:
        InputError: the file cannot be read.
        UsageError: a key or value is not allowed, or a job lacks its input or output.
    """
    values = read_toml(path, "a job list")
    jobs = values.pop("job", None)
    if not isinstance(jobs, list) or not jobs or not all(isinstance(job, dict) for job in jobs):
        raise InputError(f"{path}: has no [[job]]")
    for number, job in enumerate(jobs, 1):
        where = f"{path}: job {number}"
        about = {key: job[key] for key in _JOB_KEYS if key in job}
        name = about.get("effect", values.get("effect", effect))
        if name not in EFFECTS:
            raise UsageError(f"{where}: effect {name}: expected {' or '.join(EFFECTS)}")
        common = {key: value for key, value in values.items() if key not in _JOB_KEYS}
        own = {key: value for key, value in job.items() if key not in _JOB_KEYS}
        yield from _films_of_job(about, {**common, **own, **given}, name, naming, where)


def _films_of_job(
    about: Mapping[str, Any], values: Mapping[str, Any], effect: str, naming: Naming, where: str
) -> Iterator[Film]:
    inputs = about.get("input")
    names = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{where}: input: expected a name, or a list of names")
    found = find_inputs(names, recursive=bool(about.get("recursive", False)))
    output = about.get("output")
    if output is None and not naming.folder:
        raise UsageError(f"{where}: output is missing, and no OUTFOLDER is given")
    template = about.get("name", naming.template)
    films = list(films_of(found, values, effect, Naming(naming.folder, template), where))
    if output is None:
        yield from films
        return
    if len(films) != 1:
        raise UsageError(
            f"{where}: output {output}: one name for {len(films)} outputs; leave it out, or use name"
        )
    yield Film(films[0].source, joined(naming.folder, output), films[0].settings)


def check_outputs(films: Iterable[Film]) -> None:
    """Check that the suffix of each output can be written, and that no output is another one or an input.

    Raises:
        UsageError: they have, or the suffix is unknown.
    """
    outputs: dict[str, Film] = {}
    sources: dict[str, str] = {}
    for film in films:
        place = film.output if is_address(film.output) else os.path.realpath(film.output)
        sink_for(film.output.rpartition("/")[2] if is_address(film.output) else film.output)
        if (other := outputs.setdefault(place, film)) is not film:
            raise UsageError(
                f"{film.output}: would be the output of {other.source} and of {film.source}; "
                "--name with {style}, {suffix} or {number} tells them apart"
            )
        sources[film.source if is_address(film.source) else os.path.realpath(film.source)] = film.source
    for place in outputs.keys() & sources.keys():
        raise UsageError(f"{outputs[place].output}: is an input itself; choose another OUTFOLDER or --name")
