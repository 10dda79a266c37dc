"""The fuzz test: a short run of it, and that it finds what it looks for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

FAULTY = """
import json, os, signal, sys, time
from pathlib import Path
from tempfile import mkdtemp

import fuzz
from fuzzing.children import Limits, resident_peak
from fuzzing.commands import Command
from fuzzing.inputs import Input

room = Path(mkdtemp())
most = resident_peak(os.getpid()) + 100 * 2**20

def refuse():
    print("error: x.mp4: damaged", file=sys.stderr)
    sys.exit(3)

def thread():
    import threading
    threading.Thread(target=lambda: 1 / 0).start()

def leave_part():
    Path("out.mp4").write_text("x")
    Path("out.mp4.part").mkdir()
    Path("out.mp4.part/0.mp4").write_text("x")

done = lambda: Path("out.mp4").write_text("x")
runs = {
    "success": done,
    "refusal": refuse,
    "exception": lambda: 1 / 0,
    "exception in a thread": thread,
    "signal": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": lambda: time.sleep(60),
    "memory": lambda: (b"x" * (most + 100 * 2**20), done()),
    "no output": lambda: None,
    "unknown code": lambda: (print("why", file=sys.stderr), sys.exit(9)),
    "no word": lambda: sys.exit(3),
    "changed": lambda: (done(), Path("diary.txt").write_text("x")),
    "gone": lambda: (done(), Path("other.mp4.part/note.txt").unlink()),
    "changed input": lambda: (done(), Path("x.mp4").write_text("x")),
    "left behind": lambda: (done(), Path("tmp/spool").write_text("x")),
    "no manifest": leave_part,
}
command = Command([], ("out.mp4", "out.mp4.part"))
inputs = [Input("plain.png", b"x", "image")]
found = {}
for number, (name, run) in enumerate(runs.items()):
    case = fuzz.Case(number, Input("x.mp4", b"damaged", "video"), "", command)
    folder = room / str(number)
    folder.mkdir()
    fuzz.lay_out(case, folder, inputs)
    before = fuzz.hashes_of(folder)
    limits = Limits(seconds=1.0 if name == "hang" else 60.0, bytes=most)
    child = fuzz.Child(lambda: (os.chdir(folder), run()), folder.with_suffix(".log"), limits)
    while (outcome := child.poll()) is None:
        time.sleep(0.01)
    found[name] = fuzz.faults(outcome, command, before, fuzz.hashes_of(folder))
print(json.dumps(found))
"""

EXPECTED = {
    "success": [],
    "refusal": [],
    "exception": ["traceback: ZeroDivisionError: division by zero"],
    "exception in a thread": ["traceback: ZeroDivisionError: division by zero"],
    "signal": ["signal 11"],
    "hang": ["hang"],
    "memory": ["memory"],
    "no output": ["success without out.mp4"],
    "unknown code": ["exit code 9: why"],
    "no word": ["exit code 3 without a word"],
    "changed": ["diary.txt was changed"],
    "gone": ["other.mp4.part/note.txt is gone"],
    "changed input": ["x.mp4 was changed"],
    "left behind": ["tmp/spool was left behind"],
    "no manifest": ["out.mp4.part has no manifest"],
}


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since forking needs one without threads."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=BENCHMARKS, capture_output=True, text=True, timeout=250
    )


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """What is found wrong with functions of known faults."""
    result = python("-c", FAULTY)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured in /proc")
@pytest.mark.parametrize("fault", EXPECTED)
def test_faults_are_found(fault: str, found: dict[str, list[str]]) -> None:
    wrong = [text.partition(": ")[0] if fault == "memory" else text for text in found[fault]]
    assert wrong == EXPECTED[fault]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured in /proc")
def test_damaged_files_are_read_or_refused() -> None:
    result = python("fuzz.py", "--mutations", "40", "--seed", "3", "--seconds", "120")
    assert result.stdout.endswith("failures: 0\n"), result.stdout + result.stderr


def test_mutations_follow_from_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    import random

    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from fuzzing.mutations import mutate

    files = [(BENCHMARKS.parent / "samples" / "ink.png").read_bytes()[:20_000], bytes(range(256)) * 4]
    once, again = (
        [mutate(files[number % 2], random.Random(number), files) for number in range(60)] for _ in range(2)
    )
    assert once == again
    assert sum(data not in files for data, _ in once) > 50, "nearly all of them change something"
