"""Commands that read a damaged file, each as cheap as it can be."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import PurePath

from fuzzing.inputs import UNFINISHED, Input

LONG = 150_000  # bytes, above which only a part of a video is read
CHEAP = ["--max-size", "64", "--threads", "1"]
PLAIN = ["--style", "none", *CHEAP]
TINY_DREAM = ["--max-size", "48", "--steps", "1", "--octaves", "1"]
GOOD_IMAGE, GOOD_VIDEO, PAINTING, FLOW = "good.png", "good.mp4", "painting.png", "flow"


@dataclass(frozen=True)
class Command:
    """A command to run in the folder of the damaged file.

    Attributes:
        arguments: of the program.
        written: names that it may create; the first one must be there after success, unless it is "".
        fed: file that is fed into stdin through a pipe, or "".
        printed: success must print something to stdout.
        place: where the damaged file lies, in place of its own name.
    """

    arguments: list[str]
    written: tuple[str, ...] = ("",)
    fed: str = ""
    printed: bool = False
    place: str = ""


def choose(damaged: Input, rng: random.Random) -> Command:
    """A command for a damaged file, chosen from the kinds that can read it."""
    name = PurePath(damaged.name).name
    if name.startswith("-"):
        name = f"./{name}"
    of_kind = {
        "video": video_commands,
        "image": image_commands,
        "sound": sound_commands,
        "style": style_commands,
        "flow": flow_commands,
        "direction": direction_commands,
        "preset": preset_commands,
        "recipe": recipe_commands,
        "job": job_commands,
    }
    part = ["-t", "0.4"] if len(damaged.data) > LONG else []
    weights, commands = zip(*of_kind[damaged.kind](name, part), strict=True)
    return rng.choices(commands, weights)[0]


def stylize(source: str, output: str, *more: str, style: str = "none") -> Command:
    """A command that writes a video, image or folder, without an effect unless a style is given."""
    fast = ["--preset", "ultrafast"] if output.endswith((".mp4", ".mkv", ".mov", "-")) else []
    if output.endswith(".webm"):
        fast = ["--preset", "8"]
    name = "" if output == "-" else output.rstrip("/")
    given = ["stylize", source, output, "--style", style, *CHEAP, *fast, *more]
    return Command(given, (name, f"{name}.part"), printed=output == "-")


def video_commands(name: str, part: list[str]) -> list[tuple[float, Command]]:
    """(weight, command) for videos."""
    piped = stylize("-", "out.mkv", *part)
    sheet = ["stylize", name, "out.mp4", *PLAIN, "--preview", "3"]
    live = ["live", "--camera", name, "--style", "none", "--no-window", "--seconds", "0.5", "--record"]
    return [
        (5, stylize(name, "out.mp4", *part)),
        (3, stylize(name, "out.mkv", *part)),
        (1, stylize(name, "out.webm", "-t", "0.2")),
        (2, stylize(name, "out.avi", *part)),
        (1, stylize(name, "out.mov", *part, "--audio", "none")),
        (1.5, stylize(name, "out.gif", "-t", "0.3")),
        (1.5, stylize(name, "frames/", "-t", "0.3")),
        (1, stylize(name, "out.png", "-t", "0.04")),
        (1.5, stylize(name, "-", *part)),
        (3, stylize(name, "out.mp4", "-ss", "0.3", "-t", "0.4")),
        (1, stylize(name, "out.mkv", "-ss", "0.5", *part)),
        (1, stylize(name, "out.mp4", "--fps", "12", *part)),
        (2, Command(piped.arguments, piped.written, fed=name)),
        (1.5, Command([*sheet, *part], ("out.preview.png",))),
        (1, Command(["evaluate", name, GOOD_VIDEO, "-t", "0.1"], printed=True)),
        (1, Command(["evaluate", GOOD_VIDEO, name, "-t", "0.1"], printed=True)),
        (0.6, Command([*live, "record.mp4"], ("", "record.mp4"))),
        (1, stylize(GOOD_IMAGE, "out.png", "--mask", name)),
        (1, stylize(GOOD_VIDEO, "out.mp4", "-t", "0.2", "--mask", name)),
        (1, Command(["rerun", name, GOOD_IMAGE, "out.png"], ("out.png",))),
        (0.5, stylize(name, "out.mp4", "-t", "0.12", style="ink")),
        (0.5, Command(["dream", name, "out.mp4", *TINY_DREAM, "-t", "0.1"], ("out.mp4", "out.mp4.part"))),
    ]


def image_commands(name: str, _: list[str]) -> list[tuple[float, Command]]:
    """(weight, command) for images."""
    zoom = ["zoom", name, "out.mp4", *TINY_DREAM, "--seconds", "0.08"]
    transfer = ["--max-size", "48", "--steps", "1", "--scales", "1", "--features", "distilled"]
    live = ["live", "--camera", name, "--style", "none", "--no-window", "--seconds", "0.5", "--record"]
    masked = stylize(GOOD_VIDEO, "out.mp4", "-t", "0.08", "--flow", FLOW, style="ink").arguments
    return [
        *((1.5, stylize(name, f"out.{suffix}")) for suffix in ("png", "jpg", "webp", "tiff", "bmp")),
        (1, stylize(name, "out.mp4")),
        (1, stylize(name, "out.gif")),
        (1, stylize(name, "out/")),
        (1.5, Command(["stylize", "images", "out/", *PLAIN], ("out",), place=f"images/{name}")),
        (1, Command([*stylize("images", "out.mp4").arguments], ("out.mp4",), place=f"images/{name}")),
        (1, Command([*stylize("-", "out.png").arguments], ("out.png",), fed=name)),
        (2, stylize(GOOD_IMAGE, "out.png", "--mask", name)),
        (1, Command(["dream", name, "out.png", *TINY_DREAM], ("out.png",))),
        (1, Command(["dream", GOOD_IMAGE, "out.png", *TINY_DREAM, "--guide", name], ("out.png",))),
        (1, Command(["dream", GOOD_IMAGE, "out.png", *TINY_DREAM, "--towards", name], ("out.png",))),
        (0.7, Command(["transfer", GOOD_IMAGE, name, "out.png", *transfer], ("out.png",))),
        (0.7, Command(["transfer", name, PAINTING, "out.png", *transfer], ("out.png",))),
        (0.5, Command(zoom, ("out.mp4", "out.mp4.part"))),
        (0.2, Command(["layers", "--image", name, "-o", "out.png"], ("out.png",))),
        (1, Command(["evaluate", name, GOOD_IMAGE], printed=True)),
        (1, Command(["rerun", name, GOOD_IMAGE, "out.png"], ("out.png",))),
        (0.4, Command([*live, "record.mp4"], ("", "record.mp4"))),
        (1, Command(masked, ("out.mp4",), place=f"{FLOW}/0001.png")),
    ]


def sound_commands(name: str, _: list[str]) -> list[tuple[float, Command]]:
    """(weight, command) for audio files."""
    zoom = ["zoom", GOOD_IMAGE, "out.mp4", *TINY_DREAM, "--seconds", "0.08", "--audio", name]
    return [(3, Command(zoom, ("out.mp4", "out.mp4.part"))), (1, stylize(name, "out.mp4"))]


def style_commands(name: str, _: list[str]) -> list[tuple[float, Command]]:
    """(weight, command) for weights."""
    dream = ["dream", GOOD_IMAGE, "out.png", *TINY_DREAM, "--features", name]
    raft = ["-t", "0.08", "--flow", "raft", "--flow-weights", name]
    return [
        (3, stylize(GOOD_IMAGE, "out.png", style=name)),
        (1, stylize(GOOD_IMAGE, "out.png", "--mix-by", "weights", style=f"0.5*{name}+0.5*ink")),
        (1, Command(dream, ("out.png",))),
        (1, stylize(GOOD_VIDEO, "out.mp4", *raft, style="ink")),
    ]


def flow_commands(name: str, _: list[str]) -> list[tuple[float, Command]]:
    """(weight, command) for optical flow."""
    given = stylize(GOOD_VIDEO, "out.mp4", "-t", "0.08", "--flow", FLOW, style="ink")
    place = f"{FLOW}/0001{PurePath(name).suffix}"
    return [(1, Command(given.arguments, given.written, place=place))]


def direction_commands(name: str, _: list[str]) -> list[tuple[float, Command]]:
    """(weight, command) for directions in the space of features."""
    layer = ["--layer", f"part:{name}"]
    return [(1, Command(["dream", GOOD_IMAGE, "out.png", *TINY_DREAM, *layer], ("out.png",)))]


def preset_commands(name: str, _: list[str]) -> list[tuple[float, Command]]:
    """(weight, command) for presets."""
    return [
        (1, stylize(GOOD_IMAGE, "out.png", "--config", name)),
        (1, stylize(GOOD_VIDEO, "out.mp4", "-t", "0.2", "--config", name)),
        (1, Command(["dream", GOOD_IMAGE, "out.png", *TINY_DREAM, "--config", name], ("out.png",))),
    ]


def recipe_commands(name: str, _: list[str]) -> list[tuple[float, Command]]:
    """(weight, command) for recipes of trainings."""
    train = ["train", PAINTING, "-o", "out.safetensors", "--recipe", name, "--steps", "1"]
    written = ("out.safetensors", "out.safetensors.part", "out.preview.png")
    return [(1, Command(train, written))]


def job_commands(name: str, _: list[str]) -> list[tuple[float, Command]]:
    """(weight, command) for the files of an unfinished render."""
    written = ("out.mp4", UNFINISHED)
    return [
        (3, Command(["resume", "out.mp4"], written)),
        (1, stylize("clip.mp4", "out.mp4", "-y", "-t", "0.2")),
    ]
