"""Damages small videos, images and settings files, and checks how the program takes it.

    python benchmarks/fuzz.py [FOLDER] [--mutations 2000] [--seed 0] [--jobs 2] [--only NUMBER --keep FOLDER]

The inputs are the files of FOLDER up to `--largest` bytes and some that are made here; without FOLDER, these
alone. Each is damaged and read by a command, in a forked child. A case fails if the command

- shows a traceback, or dies by a signal,
- takes more than 30 seconds, or 2 GB of memory,
- ends with a code that docs/exit-codes.md does not name for an error of the input, or without a line of why,
- succeeds without an output,
- changes a file that is not its own, or leaves one behind.

Everything follows from the seed and the number of the case: `--only NUMBER` runs one again, and `--keep`
keeps its files. Last line: `failures: N`.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no threads before forking

import argparse
import hashlib
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from shlex import join

from fuzzing.children import Child, Limits, Outcome
from fuzzing.commands import FLOW, GOOD_IMAGE, GOOD_VIDEO, PAINTING, Command, choose
from fuzzing.inputs import JOB, Input, inputs_of, make
from fuzzing.mutations import mutate

POLL_SECONDS = 0.01
CODES = {0, 2, 3, 4, 5, 6}  # 1 is for bugs, 130 for signals
FOREIGN = {"diary.txt": b"mine", ".hidden": b"", "other.mp4.part/note.txt": b"also mine", "out.txt": b"x"}
PROGRAM = (  # all that commands import, so that each child has it already
    *("apps.cli", "apps.cli.live", "apps.live.setup", "apps.live.session", "apps.live.display"),
    *("apps.live.view", "apps.cli.optimization_report", "jobs.render", "jobs.evaluate", "evaluation.report"),
    *("preview.video", "preview.layers", "training", "training.job", "effects.dream.effect"),
    *("effects.stylize.effect", "effects.transfer.effect", "effects.zoom.effect", "optical_flow.raft"),
    *("sources.masks", "sources.camera", "sinks.recording", "sinks.pipe", "video.gif", "video.joining"),
)


@dataclass(frozen=True)
class Case:
    """A damaged file and the command that reads it.

    Attributes:
        number: from 0.
        damaged: the file.
        story: what was done to it, for people.
        command: that reads it.
    """

    number: int
    damaged: Input
    story: str
    command: Command


def case_of(number: int, seed: int, inputs: Sequence[Input]) -> Case:
    """The case of a number; everything follows from number, seed and inputs."""
    rng = random.Random(f"{seed}:{number}")
    chosen = rng.choice(inputs)
    data, mutations = mutate(chosen.data, rng, [other.data for other in inputs])
    name = chosen.name
    if chosen.kind in ("video", "image") and rng.random() < 0.05:  # a name that lies
        name = f"{Path(name).stem}{Path(rng.choice(inputs).name).suffix}"
        mutations.append(f"named {name}")
    damaged = replace(chosen, name=name, data=data)
    return Case(number, damaged, f"{chosen.name}: {', '.join(mutations)}", choose(damaged, rng))


def lay_out(case: Case, folder: Path, inputs: Sequence[Input]) -> None:
    """Write the files of a case: the damaged one, others that the command reads, and foreign ones."""
    good = {"plain.mp4": GOOD_VIDEO, "plain.png": GOOD_IMAGE, "0001.flo": f"{FLOW}/0001.flo"}
    good[PAINTING] = PAINTING
    files = {good[entry.name]: entry.data for entry in inputs if entry.name in good}
    files[f"images/{GOOD_IMAGE}"] = files[GOOD_IMAGE]
    if case.damaged.kind == "job":
        files = {entry.name: entry.data for entry in inputs if entry.kind == "job"}
    if case.command.place.startswith(f"{FLOW}/") and not case.command.place.endswith(".png"):
        del files[f"{FLOW}/0001.flo"]
    files[case.command.place or case.damaged.name] = case.damaged.data
    for name, data in {**files, **FOREIGN}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.replace(b"@JOB@", os.fsencode(folder)))
    (folder / "tmp").mkdir()


def hashes_of(folder: Path) -> dict[str, str]:
    """A hash of each file of a folder, by its name in it; of links and others the kind."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file() and not path.is_symlink()
        else "no file"
        for path in sorted(folder.rglob("*"))
        if not path.is_dir()
    }


def within(name: str, written: Iterable[str]) -> bool:
    """Whether a file is one that a command may write, or lies in such a folder."""
    return any(name == own or name.startswith(f"{own}/") for own in written if own)


def touched(before: dict[str, str], after: dict[str, str], command: Command) -> list[str]:
    """What is wrong with the files after a command."""
    wrong = []
    for name in before.keys() | after.keys():
        if within(name, command.written) and name not in FOREIGN:
            continue
        if name not in after:
            wrong.append(f"{name} is gone")
        elif name not in before:
            wrong.append(f"{name} was left behind")
        elif before[name] != after[name]:
            wrong.append(f"{name} was changed")
    for name in after.keys() - before.keys():
        part = next((own for own in command.written if own.endswith(".part") and within(name, [own])), None)
        if part and not {f"{part}/manifest.jsonl", f"{part}/training.jsonl"} & after.keys():
            wrong.append(f"{part} has no manifest")
    return sorted(set(wrong))


def faults(outcome: Outcome, command: Command, before: dict[str, str], after: dict[str, str]) -> list[str]:
    """All that is wrong with a run; nothing if it may be so."""
    last = (outcome.errors.strip().splitlines() or [""])[-1]
    wrong = []
    if outcome.hung:
        wrong.append("hang")
    if outcome.too_large:
        wrong.append(f"memory: {outcome.bytes / 2**30:.1f} GB")
    if outcome.signal:
        wrong.append(f"signal {outcome.signal}")
    elif "Traceback (most recent call last)" in outcome.errors:
        wrong.append(f"traceback: {last}")
    elif outcome.code is not None and outcome.code not in CODES:
        wrong.append(f"exit code {outcome.code}: {last}")
    elif outcome.code and not last:
        wrong.append(f"exit code {outcome.code} without a word")
    elif outcome.code == 0 and command.written[0] and not within_any(command.written[0], after):
        wrong.append(f"success without {command.written[0]}")
    elif outcome.code == 0 and command.printed and not outcome.out:
        wrong.append("success, and nothing printed")
    return wrong + touched(before, after, command)


def within_any(name: str, files: Iterable[str]) -> bool:
    """Whether a name is a file, or a folder with files."""
    return any(within(file, [name]) for file in files)


def start(case: Case, folder: Path, limits: Limits) -> Child:
    """Run the command of a case in its folder."""

    def program() -> None:
        from streamstyle.apps.cli import main

        os.chdir(folder)
        os.environ["TMPDIR"] = str(folder / "tmp")
        tempfile.tempdir = None
        sys.argv = ["streamstyle", *case.command.arguments]
        main()

    fed = folder / case.command.fed if case.command.fed else None
    return Child(program, folder.with_suffix(".log"), limits, fed)


def run_cases(
    cases: Iterator[Case], inputs: Sequence[Input], room: Path, jobs: int, limits: Limits, keep: bool = False
) -> Iterator[tuple[Case, Outcome, list[str]]]:
    """Run cases, some at a time; yields each with its outcome and what is wrong."""
    running: dict[Child, tuple[Case, Path, dict[str, str]]] = {}
    while True:
        while len(running) < jobs and (case := next(cases, None)) is not None:
            folder = room / f"case{case.number}"
            folder.mkdir()
            lay_out(case, folder, inputs)
            before = hashes_of(folder)
            running[start(case, folder, limits)] = case, folder, before
        if not running:
            return
        for child in list(running):
            outcome = child.poll()
            if outcome is not None:
                case, folder, before = running.pop(child)
                yield case, outcome, faults(outcome, case.command, before, hashes_of(folder))
                if not keep:
                    shutil.rmtree(folder)
                    for log in (".out", ".err"):
                        folder.with_suffix(log).unlink()
        time.sleep(POLL_SECONDS)


def made_inputs(room: Path) -> list[Input]:
    """The inputs that are made here, in a child, as encoders start threads."""
    folder = room / "made"
    folder.mkdir()
    child = Child(lambda: make(folder), room / "making", Limits(300, 8 * 2**30))
    while (outcome := child.poll()) is None:
        time.sleep(POLL_SECONDS)
    if outcome.code != 0:
        raise SystemExit(f"the inputs cannot be made: {outcome.errors}")
    job = os.fsencode(folder / JOB)
    found = inputs_of(folder, 2**30)
    return [replace(entry, data=entry.data.replace(job, b"@JOB@")) for entry in found]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="videos and images to damage, besides made ones")
    parser.add_argument("--mutations", type=int, default=2000, help="number of cases (2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time (2)")
    parser.add_argument("--largest", type=int, default=2_000_000, help="bytes of an input of FOLDER, at most")
    parser.add_argument("--seconds", type=float, default=30.0, help="after which a command hangs (30)")
    parser.add_argument("--only", type=int, help="run this case alone, and show what it prints")
    parser.add_argument("--keep", type=Path, help="folder, which must not exist, in which to keep all files")
    options = parser.parse_args()
    for module in PROGRAM:
        import_module(f"streamstyle.{module}")
    room = Path(tempfile.mkdtemp(prefix="fuzz"))
    if options.keep:
        options.keep.mkdir()
        room = options.keep.resolve()
    # Without context managers: children must not run their ends.
    inputs = made_inputs(room)
    if options.folder is not None:
        inputs += inputs_of(options.folder, options.largest)
    numbers = range(options.mutations) if options.only is None else [options.only]
    cases = (case_of(number, options.seed, inputs) for number in numbers)
    limits = Limits(options.seconds)
    results = run_cases(cases, inputs, room, options.jobs, limits, bool(options.keep))
    failures = report(results, len(numbers), alone=options.only is not None)
    if not options.keep:
        shutil.rmtree(room)
    print(f"failures: {failures}")
    sys.exit(failures > 0)


def without_places(errors: str) -> str:
    """The last line of stderr without the parts that differ from case to case."""
    last = (errors.strip().splitlines() or [""])[-1]
    return re.sub(r"[^ ]*/([^/ ]+)", r"\1", last)[:150]


def report(results: Iterable[tuple[Case, Outcome, list[str]]], count: int, *, alone: bool) -> int:
    """Print progress, each failure, and a summary; returns the number of failures."""
    codes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    unwritten: dict[str, list[int]] = {}  # the disk is fine: these deserve a look, even where they are right
    failures, largest, longest, begin = 0, 0, 0.0, time.monotonic()
    for done, (case, outcome, wrong) in enumerate(results, 1):
        codes[str(outcome.code)] += 1
        if outcome.code == 4:
            unwritten.setdefault(without_places(outcome.errors), []).append(case.number)
        largest, longest = max(largest, outcome.bytes), max(longest, outcome.seconds)
        if wrong or alone:
            failures += bool(wrong)
            reasons.update(wrong)
            print(f"#{case.number} {case.story}\n    streamstyle {join(case.command.arguments)}")
            print(f"    {'; '.join(wrong) or 'as it should be'}", flush=True)
        if alone:
            print(f"exit {outcome.code}, {outcome.seconds:.1f} s\n{outcome.errors}")
        if done % 100 == 0:
            print(f"{done} of {count}, {failures} failed, {time.monotonic() - begin:.0f} s", flush=True)
    for reason, times in reasons.most_common():
        print(f"{times:5} times {reason}")
    for reason, numbers in unwritten.items():
        print(f"{len(numbers):5} times exit code 4, as in #{numbers[0]}: {reason}")
    print("exit codes:", ", ".join(f"{code}: {times}" for code, times in sorted(codes.items())))
    print(f"at most {longest:.1f} s and {largest / 2**20:.0f} MB")
    return failures


if __name__ == "__main__":
    main()
