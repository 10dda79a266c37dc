"""How a batch scales: its overheads here, and a simulation of up to 1,000 workers from measured costs.

    python benchmarks/scale.py [--tasks 5000] [--cluster local] [--throughput FOLDER]

- Costs: what a frame of the sample clip takes to render, to decode and to search for cuts.
- Head: the process that hands out tasks has many that do nothing done by processes of this machine or, with
  --cluster, by Ray. The time for each, and how much its own memory grows, are the last lines.
- Simulation: films on 1, 10, 100 and 1,000 workers, where 2 % of tasks take three times as long and a worker
  dies every ten hours.
- With --throughput: a batch of the films of a folder, against one command after the other, in turns.

Last lines: `head_ms: …`, `head_growth_mb: …`, `efficiency_1000: …` and, if measured, `throughput: …`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamstyle.batch.films import VIDEOS, Film
from streamstyle.batch.forecast import FilmSteps, Machines, simulate
from streamstyle.batch.local_pool import LocalPool
from streamstyle.batch.memory import used_bytes
from streamstyle.batch.plan import Costs, Measure, Size, steps_of_costs
from streamstyle.batch.pool import Pool, PoolOptions
from streamstyle.batch.pools import POOLS
from streamstyle.batch.report import Report
from streamstyle.batch.schedule import Batch, BatchProgress
from streamstyle.effects import StylizeSettings
from streamstyle.jobs.task_process import Run, Task
from streamstyle.pipeline import Result

SAMPLE = Path(__file__).parents[1] / "samples" / "harbour.mp4"
WORKERS = 1, 10, 100, 1000
STRAGGLERS = {"slow_share": 0.02, "slow_factor": 3.0, "deaths_per_hour": 0.1}
LOOK = ["--max-size", "320", "--preset", "veryfast"]


@dataclass(frozen=True)
class Nothing:
    """A task that does nothing for a while."""

    seconds: float = 0.0
    name: str = "nothing"

    def __call__(self, on_progress: Any) -> Result:
        time.sleep(self.seconds)
        return Result(100, 100, 0, 0, self.seconds, 1.0)


@dataclass
class Idle:
    """A pool whose tasks do nothing, whatever they are."""

    pool: Pool

    @property
    def slots(self) -> int:
        return self.pool.slots

    def has_room(self) -> bool:
        return self.pool.has_room()

    def start(self, task: Task) -> Run:
        return self.pool.start(Nothing())

    def update(self) -> None:
        self.pool.update()

    def close(self) -> None:
        self.pool.close()


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")


def measured_head(pool: Pool, tasks: int) -> tuple[float, float]:
    """(milliseconds for each task, growth of this process in MB from a fifth of the tasks to the end)."""
    settings, memory = StylizeSettings(device="cpu"), dict[int, float]()

    def on_progress(progress: BatchProgress) -> None:
        memory[progress.films] = used_bytes(os.getpid())[0] / 1e6

    with tempfile.TemporaryDirectory() as folder:
        films = [Film(f"in/{number}.mp4", f"{folder}/{number}.mp4", settings) for number in range(tasks)]
        report = Report(Path(folder) / "report.json", films)
        for _ in range(pool.slots):  # what a process loads is not counted
            run = pool.start(Nothing())
            while run.outcome is None:
                pool.update()
                time.sleep(0.01)
        begin = time.perf_counter()
        Batch(films, Idle(pool), report, None, on_progress).run()
        seconds = time.perf_counter() - begin
    early = next(used for films_done, used in sorted(memory.items()) if films_done >= tasks / 5)
    return 1000 * seconds / tasks, memory[max(memory)] - early


def alike(cost: Costs, films: int, frames: int, spans: int) -> Iterable[FilmSteps]:
    """Films of one length, as generators of their tasks."""
    return (steps_of_costs(cost, Size(frames, cost.pixels, frames / 25), spans) for _ in range(films))


def table(cost: Costs, head_seconds: float) -> float:
    """Print the simulation; returns the efficiency of 10,000 films on 1,000 workers."""
    last = 0.0
    print("what                                    workers      hours  efficiency  head busy   tasks")
    for what, films, frames, most in (
        ("10,000 films of a minute", 10_000, 1500, 1),
        ("a film of two hours, cut often", 1, 180_000, 900),
        ("100,000 films of a minute", 100_000, 1500, 1),
    ):
        for workers in WORKERS:
            machines = Machines(workers, head_seconds, **STRAGGLERS)
            spans = min(2 * workers, most)
            found = simulate(alike(cost, films, frames, spans if spans > 1 else 1), machines)
            busy = found.head_seconds / found.seconds
            print(
                f"{what:<40}{workers:>7}{found.seconds / 3600:>11.2f}{100 * found.efficiency:>10.0f} %"
                f"{100 * busy:>9.1f} %{found.tasks:>8}"
            )
            if films == 10_000:
                last = found.efficiency
    return last


def throughput(folder: Path) -> float:
    """How many times as fast a batch is as one command after the other; in turns, twice."""
    films = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEOS)
    program = [sys.executable, "-m", "streamstyle"]
    seconds = {"batch": 0.0, "one by one": 0.0}
    for _ in range(2):
        with tempfile.TemporaryDirectory() as out:
            begin = time.perf_counter()
            subprocess.run([*program, "batch", "stylize", *map(str, films), out, *LOOK, "-q"], check=True)
            seconds["batch"] += time.perf_counter() - begin
        with tempfile.TemporaryDirectory() as out:
            begin = time.perf_counter()
            for film in films:
                subprocess.run(
                    [*program, "stylize", str(film), f"{out}/{film.stem}.mp4", *LOOK, "-q"], check=True
                )
            seconds["one by one"] += time.perf_counter() - begin
    print(
        f"{len(films)} films, twice: batch {seconds['batch']:.1f} s, one by one {seconds['one by one']:.1f} s"
    )
    return seconds["one by one"] / seconds["batch"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--cluster", default="")
    parser.add_argument("--throughput", type=Path)
    chosen = parser.parse_args()
    print(f"{processor()}, Python {sys.version.split()[0]}")
    cost = Measure(Film(str(SAMPLE), "out.mp4", StylizeSettings(max_size=640, device="cpu")))(
        lambda progress: None
    )
    print(
        f"costs of a frame of 640x360: render {1000 * cost.render_seconds:.1f} ms, decode "
        f"{1000 * cost.read_seconds:.1f} ms, search {1000 * cost.search_seconds:.1f} ms; "
        f"{cost.open_seconds:.1f} s to open"
    )
    options = PoolOptions(device="cpu", workers=2, address=chosen.cluster)
    pool = POOLS["ray"](options) if chosen.cluster else LocalPool(options)
    try:
        head_ms, growth = measured_head(pool, chosen.tasks)
    finally:
        pool.close()
    print(f"{chosen.tasks} tasks that do nothing, in {'Ray' if chosen.cluster else 'processes here'}")
    efficiency = table(cost, head_ms / 1000)
    ratio = throughput(chosen.throughput) if chosen.throughput else None
    print(f"head_ms: {head_ms:.2f}")
    print(f"head_growth_mb: {growth:.1f}")
    print(f"efficiency_1000: {efficiency:.3f}")
    if ratio is not None:
        print(f"throughput: {ratio:.2f}")


if __name__ == "__main__":
    # The processes of a pool import this file to know its task.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    import scale

    scale.main()
