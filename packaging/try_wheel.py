"""Builds the wheel, installs it outside the checkout, tries every command there, and prints a table.

    python packaging/try_wheel.py
    python packaging/try_wheel.py --borrow .venv/lib/python3.11/site-packages

The second way takes PyTorch and all other dependencies from an environment that has them, so that only the
wheel itself is installed: seconds instead of minutes and gigabytes. The exit code is 1 if anything failed.
Needs `pip install build`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ("harbour.mp4", "lighthouse.png", "painting.png")
TIMEOUT = 600  # seconds for one command
TINY = "--max-size 96 --preset ultrafast"


@dataclass(frozen=True)
class Trial:
    """A command line, what it should write, and the exit code that it should have."""

    arguments: str
    writes: str = ""
    code: int = 0


TRIALS = (
    Trial(""),
    Trial("--version"),
    Trial("--help"),
    Trial("--show-completion bash"),
    Trial("doctor"),
    Trial("styles"),
    Trial(f"stylize lighthouse.png small.png {TINY}", "small.png"),
    Trial("styles --sheet small.png -o sheet.png", "sheet.png"),
    Trial(f"stylize harbour.mp4 ink.mp4 -t 0.5 --style ink {TINY}", "ink.mp4"),
    Trial(f"stylize harbour.mp4 mixed.mp4 -t 0.2 --style 0.5*udnie+0.5*scream {TINY}", "mixed.mp4"),
    Trial(f"stylize harbour.mp4 preview.png --preview 2 {TINY}", "preview.png"),
    Trial("stylize harbour.mp4 draft.mp4 -t 0.2 --config draft --max-size 96", "draft.mp4"),
    Trial("stylize harbour.mp4 master.mov -t 0.2 --config master --max-size 96", "master.mov"),
    Trial("stylize harbour.mp4 small.mp4 -t 0.2 --config small --max-size 96", "small.mp4"),
    Trial("zoom small.png zoom.mp4 --seconds 0.2 --steps 1", "zoom.mp4"),
    Trial("transfer small.png painting.png transfer.png --steps 2 --max-size 64", "transfer.png"),
    Trial("rerun ink.mp4 small.png again.png", "again.png"),
    Trial("resume nothing.mp4", code=2),
    Trial("evaluate harbour.mp4 harbour.mp4 -t 0.2 --csv frames.csv", "frames.csv"),
    Trial(f"batch stylize small.png out/ --style ink --style udnie {TINY}", "out"),
    Trial(f"batch stylize ink.mp4 shards/ --style scream --shard 0/1 {TINY}", "shards"),
    Trial("join shards/"),
    Trial("layers"),
    Trial("layers --image small.png --layer texture --count 2 -o layers.png", "layers.png"),
    Trial("train painting.png --steps 2 -o mine.safetensors", "mine.safetensors"),
    Trial("predict painting.png -o predicted.safetensors", "predicted.safetensors"),
    Trial(f"stylize small.png mine.png --style mine.safetensors {TINY}", "mine.png"),
    Trial("export ink ink.onnx --size 96x64", "ink.onnx"),
    Trial("live --list"),
    Trial("live --camera testsrc --no-window --record live.mp4 --seconds 1", "live.mp4"),
)


def main() -> None:
    """Build, install, try, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--borrow", type=Path, help="site-packages to take the dependencies from")
    parser.add_argument("--wheel", type=Path, help="a wheel that is built already")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="streamstyle-wheel-") as folder:
        place = Path(folder)
        wheel = chosen.wheel.resolve() if chosen.wheel else build(place / "dist")
        python = install(wheel, place / "venv", chosen.borrow)
        work = place / "elsewhere"
        work.mkdir()
        for name in SAMPLES:
            shutil.copy(ROOT / "samples" / name, work)
        failed = [row for row in rows(python, work) if not row]
    sys.exit(f"{len(failed)} failed" if failed else 0)


def build(folder: Path) -> Path:
    """The wheel, built from the source distribution, which is built from the checkout."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, capture_output=True)
    for path in sorted(folder.iterdir()):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB", flush=True)
    return next(folder.glob("*.whl"))


def install(wheel: Path, environment: Path, borrow: Path | None) -> Path:
    """Python of a new environment with the wheel and its dependencies, its own or borrowed ones."""
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    wanted = ["--no-deps", str(wheel)] if borrow else [f"{wheel}[web,export]"]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    if borrow:  # only now, as pip would replace a version of ours that it found there
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        own = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
        (Path(own) / "borrowed.pth").write_text(f"{borrow.resolve()}\n")
    return python


def rows(python: Path, work: Path) -> Iterator[bool]:
    """Try everything, and print a row for each; yields whether it was as it should be."""
    program = python.with_name("streamstyle" + python.suffix)
    yield print_row("installed outside the checkout", *outside(python, work))
    for trial in (*TRIALS, *(dream_with(name) for name in dream_presets())):
        begin = time.monotonic()
        done = subprocess.run(
            [program, *trial.arguments.split()],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
        seconds, written = time.monotonic() - begin, work / trial.writes
        good = done.returncode == trial.code and written.exists() and "Traceback" not in done.stderr
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        note = trial.writes or (said[-1] if said else "")
        yield print_row(f"streamstyle {trial.arguments}", good, seconds, note if good else said[-1:] or "?")
    yield print_row("streamstyle studio --port 0 --no-open", *page(program, work))


def dream_presets() -> list[str]:
    """Names of the presets of `dream` in the checkout; the wheel should have all of them."""
    return sorted(path.stem for path in (ROOT / "configs" / "dream").glob("*.toml"))


def dream_with(preset: str) -> Trial:
    """A short dream with a preset."""
    output = f"dream_{preset}.png"
    return Trial(f"dream small.png {output} --config {preset} --steps 1 --octaves 1", output)


def outside(python: Path, work: Path) -> tuple[bool, float, str]:
    """Whether the package is that of the wheel, complete with weights."""
    code = "import streamstyle, streamstyle.weights as w; print(streamstyle.__file__, len(w.WEIGHTS))"
    begin = time.monotonic()
    done = subprocess.run([python, "-c", code], cwd=work, capture_output=True, text=True, check=True)
    file, count = done.stdout.split()
    inside = Path(file).is_relative_to(python.parents[1])
    return inside and not Path(file).is_relative_to(ROOT), time.monotonic() - begin, f"{count} weights files"


def page(program: Path, work: Path) -> tuple[bool, float, str]:
    """Serve the page, fetch it, and stop."""
    begin = time.monotonic()
    run = subprocess.Popen(
        [program, "studio", "--port", "0", "--no-open"],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    url = run.stdout.readline().strip()
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            size = len(answer.read())
            good = answer.status == 200 and size > 1000
    except (OSError, ValueError) as error:
        good, size = False, 0
        print(error)
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    return good and run.returncode == 0, time.monotonic() - begin, f"the page has {size / 1000:.0f} kB"


def print_row(what: str, good: bool, seconds: float, note: object) -> bool:
    """Print one row of the table."""
    print(f"{'ok' if good else 'FAILED':<6} {seconds:6.1f} s  {what}   [{note}]", flush=True)
    return good


if __name__ == "__main__":
    main()
