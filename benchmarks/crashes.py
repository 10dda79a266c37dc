"""Interrupts runs of every kind, resumes them, and compares with the uninterrupted result.

    python benchmarks/crashes.py [--kills 25] [--small-disk FOLDER] [--fills 1] [--moves 6] [--only KIND …]

The kinds are `stylize`, `dream` and `transfer` of a video, `zoom`, a folder of images as a video and as a
folder, and `train`; they take turns. Inputs are small, but long enough for several segments.

- Killed: SIGKILL at a random time after the run has begun to write.
- Disk filled: with --small-disk (a folder on a disk of about 64 MB, as of `mount -t tmpfs -o size=64m`), a
  file takes all free space at a random time, and is gone before the run is resumed. The run must end with 4.
- Moved: interrupted by SIGINT; the input and the unfinished output are moved to another folder together.

A run counts as identical if `resume` succeeds and the decoded frames and the audio packets, or the files of
the folder, or the weights, are those of the uninterrupted run. A folder of images is not resumed but begun
again with -y; what is in it before must be complete.

Last lines: `sigint_seconds: …`, `killed: N of N identical`, `disk filled: …`, `moved: …`.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2  # noqa: F401 - before av
from PIL import Image
from safetensors.numpy import load_file

import av  # isort: skip

SAMPLES = Path(__file__).parents[1] / "samples"
SAMPLE = SAMPLES / "harbour.mp4"
PATIENCE = 300.0  # seconds for a run to begin, or to end
TRIES = 20  # to interrupt a run before it ends


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Attributes:
        name: for people.
        arguments: of the program; "OUT" stands for the output.
        output: its name.
    """

    name: str
    arguments: tuple[str, ...]
    output: str = "out.mp4"

    def started(self, folder: Path) -> subprocess.Popen[str]:
        """The run, in a process of its own."""
        return start(folder, *(self.output if word == "OUT" else word for word in self.arguments), "-q")

    def resumed(self, folder: Path) -> subprocess.Popen[str]:
        """The resumed run; a folder is begun again."""
        if self.output != "out":
            return start(folder, "resume", self.output, "-q")
        again = (self.output if word == "OUT" else word for word in self.arguments)
        return start(folder, *again, "-y", "-q")

    def is_unfinished(self, folder: Path) -> bool:
        """Whether there is something to resume."""
        part = folder / f"{self.output}.part"
        return (part / "manifest.jsonl").exists() or (part / "training.safetensors").exists()

    def has_begun(self, folder: Path) -> bool:
        """Whether the run has written something of its own."""
        if self.output == "out":
            return any((folder / self.output).glob("*.png"))
        return self.is_unfinished(folder)


def kinds(film: Path, images: Path) -> list[Kind]:
    """All kinds of runs; each takes some seconds."""
    tiny = ("--max-size", "96", "--steps", "6", "--octaves", "2")
    slow = ("--fps", "2", *tiny)  # few frames, but several segments
    transfer = ("--max-size", "96", "--scales", "1", "--steps", "10", "--later-steps", "6")
    training = ("--steps", "120", "-o", "OUT", "--recipe", str(film.with_name("recipe.toml")))
    painting, photo = str(SAMPLES / "painting.png"), str(SAMPLES / "lighthouse.png")
    return [
        Kind("stylize", ("stylize", film.name, "OUT", "--max-size", "480", "--fps", "12")),
        Kind("dream", ("dream", film.name, "OUT", *slow)),
        Kind("zoom", ("zoom", photo, "OUT", "--seconds", "18", "--fps", "4", "--dreams", "1", *tiny)),
        Kind("transfer", ("transfer", film.name, painting, "OUT", "--fps", "1", *transfer)),
        Kind("images as a video", ("stylize", images.name, "OUT", "--fps", "6", "--steady", "0.7")),
        Kind("folder of images", ("stylize", images.name, "OUT"), "out"),
        Kind("train", ("train", painting, *training), "out.safetensors"),
    ]


def make_inputs(folder: Path) -> list[Kind]:
    """Write the inputs into a folder; returns the runs that read them there."""
    film, images = repeated(folder / "film.mp4", 4), folder / "images"
    images.mkdir()
    with av.open(str(SAMPLE)) as sample:
        for number, frame in enumerate(itertools.islice(sample.decode(video=0), 120)):
            frame.to_image(width=160, height=90).save(images / f"{number:03}.png")
    (folder / "recipe.toml").write_text("batch = 1\ncrop = 64\n")
    return kinds(film, images)


def repeated(target: Path, times: int) -> Path:
    """The sample clip, repeated `times` times by copying packets."""
    with av.open(str(target), "w") as out, av.open(str(SAMPLE)) as sample:
        length = max(stream.duration * stream.time_base for stream in sample.streams)
        streams = {s.index: out.add_stream_from_template(s, opaque=True) for s in sample.streams}
        for turn in range(times):
            sample.seek(0)
            for packet in sample.demux():
                if packet.size and not (turn and packet.is_discard):  # audio priming only once
                    offset = round(turn * length / packet.time_base)
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    return target


def contents(output: Path) -> object:
    """What has to be the same after an interruption."""
    if output.is_dir():
        return {path.name: Image.open(path).tobytes() for path in sorted(output.glob("[!.]*"))}
    if output.suffix == ".safetensors":
        return {name: values.tobytes() for name, values in load_file(output).items()}
    with av.open(str(output)) as container:
        frames = [hashlib.sha256(f.to_ndarray().tobytes()).hexdigest() for f in container.decode(video=0)]
    packets = hashlib.sha256()
    with av.open(str(output)) as container:
        for packet in container.demux(audio=0) if container.streams.audio else ():
            packets.update(bytes(packet))
    return frames, packets.hexdigest()


def start(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "streamstyle", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """(exit code, last line of stderr)."""
    _, errors = process.communicate(timeout=5 * PATIENCE)
    return process.returncode, (errors.strip().splitlines() or [""])[-1]


def identical(kind: Kind, folder: Path, expected: object) -> bool:
    """Resume a run, and compare; a folder of images has to be right, as far as it goes, already before."""
    if kind.output == "out":
        before = contents(folder / kind.output)
        if not before.items() <= expected.items():  # type: ignore[attr-defined]
            print("    an image was not complete")
            return False
    resumes = "begun again" if kind.output == "out" else "resumed"
    code, last = finish(kind.resumed(folder))
    same = code == 0 and contents(folder / kind.output) == expected
    print(f"    {resumes}: exit {code} {last}; identical: {same}", flush=True)
    return same


def begun(kind: Kind, folder: Path) -> subprocess.Popen[str]:
    """A run that has begun to write."""
    process = kind.started(folder)
    end = time.monotonic() + PATIENCE
    while not kind.has_begun(folder) and process.poll() is None:
        if time.monotonic() > end:
            raise SystemExit(f"{kind.name}: nothing was written for {PATIENCE:g} s")
        time.sleep(0.01)
    return process


def attempts(kind: Kind, inputs: Path, parent: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A fresh folder with the inputs, and in it a run that has begun to write; again and again."""
    for _ in range(TRIES):
        folder = Path(tempfile.mkdtemp(dir=parent))
        shutil.copytree(inputs, folder, dirs_exist_ok=True)
        yield folder, begun(kind, folder)
        shutil.rmtree(folder)
    raise SystemExit(f"{kind.name}: ended before it could be interrupted, {TRIES} times")


def stopped(
    kind: Kind, inputs: Path, parent: Path, number: int, after: Iterator[float]
) -> tuple[Path, int, str, float]:
    """(folder, exit code, last line, seconds that it took to end) of a run stopped by a signal."""
    for folder, process in attempts(kind, inputs, parent):
        time.sleep(next(after))
        process.send_signal(number)
        begin = time.monotonic()
        code, last = finish(process)
        finished = kind.output != "out" and (folder / kind.output).exists()  # stopped on its way out
        if code not in (0, 5) and not finished:
            return folder, code, last, time.monotonic() - begin
    raise AssertionError


def killed(kind: Kind, inputs: Path, parent: Path, after: Iterator[float], expected: object) -> bool:
    """Kill a run, and resume it."""
    folder, code, _, _ = stopped(kind, inputs, parent, signal.SIGKILL, after)
    print(f"{kind.name}: exit {code}")
    same = identical(kind, folder, expected)
    shutil.rmtree(folder)
    return same


def disk_filled(kind: Kind, inputs: Path, disk: Path, after: Iterator[float], expected: object) -> bool:
    """Fill the disk below a run, and resume it once there is space again."""
    for folder, process in attempts(kind, inputs, disk):
        time.sleep(next(after))
        ballast = disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            while process.poll() is None:
                with suppress(OSError):
                    file.write(bytes(4096))
                    continue
                time.sleep(0.01)  # full, until the run frees something
        code, last = finish(process)
        ballast.unlink()
        if code in (0, 5):
            continue  # it needed no more space
        print(f"{kind.name}: exit {code}: {last}")
        same = identical(kind, folder, expected)
        shutil.rmtree(folder)
        return code == 4 and same
    raise AssertionError


def moved(kind: Kind, inputs: Path, parent: Path, after: Iterator[float], expected: object) -> bool:
    """Interrupt a run, move it with its input, and resume it there."""
    folder, code, last, _ = stopped(kind, inputs, parent, signal.SIGINT, after)
    print(f"{kind.name}, moved: exit {code}: {last}")
    elsewhere = folder.rename(parent / "elsewhere")
    same = identical(kind, elsewhere, expected)
    shutil.rmtree(elsewhere)
    return same


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--small-disk", type=Path)
    parser.add_argument("--fills", type=int, default=1, help="how often the small disk is filled")
    parser.add_argument("--moves", type=int, default=6)
    parser.add_argument("--only", nargs="*", default=[], help="names of kinds")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        room = Path(temporary)
        inputs = room / "inputs"
        inputs.mkdir()
        chosen = [kind for kind in make_inputs(inputs) if not options.only or kind.name in options.only]
        expected, seconds = {}, {}
        for kind in chosen:
            whole = room / "whole"
            shutil.copytree(inputs, whole)
            process, begin = begun(kind, whole), time.monotonic()
            code, last = finish(process)
            seconds[kind] = time.monotonic() - begin
            expected[kind] = contents(whole / kind.output)
            print(f"{kind.name}, uninterrupted: exit {code} {last}, {seconds[kind]:.1f} s", flush=True)
            shutil.rmtree(whole)

        def times(kind: Kind) -> Iterator[float]:
            return iter(lambda: rng.uniform(0, 0.95) * seconds[kind], None)

        def turns(count: int, among: list[Kind]) -> Iterator[tuple[Kind, Iterator[float], object]]:
            for kind in itertools.islice(itertools.cycle(among), count):
                yield kind, times(kind), expected[kind]

        kills = [killed(kind, inputs, room, *rest) for kind, *rest in turns(options.kills, chosen)]
        disk, count = options.small_disk, options.fills * bool(options.small_disk)
        fills = [disk_filled(kind, inputs, disk, *rest) for kind, *rest in turns(count, chosen)]
        movable = [kind for kind in chosen if kind.output != "out"]
        moves = [moved(kind, inputs, room, *rest) for kind, *rest in turns(options.moves, movable)]
        _, _, _, took = stopped(chosen[0], inputs, room, signal.SIGINT, times(chosen[0]))
    print(f"sigint_seconds: {took:.1f}")
    for name, results in (("killed", kills), ("disk filled", fills), ("moved", moves)):
        if results:
            print(f"{name}: {sum(results)} of {len(results)} identical")


if __name__ == "__main__":
    main()
