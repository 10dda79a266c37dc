"""How many cores may be used: by affinity, by quota, and as many threads as that afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from streamstyle import cores, device as devices
from streamstyle.effects import StylizeSettings
from streamstyle.frames import Checkpoint, SinkItem
from streamstyle.jobs.render import render
from streamstyle.pipeline import Writer
from streamstyle.sinks.memory import MemorySink
from tests.videos import make_video

CPU = torch.device("cpu")
Groups = Callable[[str, dict[str, str]], None]


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Groups:
    """Makes control groups: what /proc/self/cgroup says, and files with their text. There are eight cores."""

    def make(membership: str, files: dict[str, str]) -> None:
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "groups" / name).write_text(text)

    monkeypatch.setattr(cores, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(cores, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(cores, "cores_by_affinity", lambda: 8)
    return make


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("250000 100000", 3),  # two threads could not use it up
        ("10000 100000", 1),
        ("6400000 100000", 8),  # a quota adds no cores
        ("nonsense", 8),
    ],
)
def test_a_quota_counts_in_whole_cores(groups: Groups, limit: str, expected: int) -> None:
    groups("0::/", {"cpu.max": f"{limit}\n"})
    assert cores.usable_cores() == expected


def test_the_narrowest_group_counts(groups: Groups) -> None:
    """A group has what those above it leave."""
    groups(
        "0::/job.slice/task\n",
        {"job.slice/cpu.max": "300000 100000", "job.slice/task/cpu.max": "max 100000"},
    )
    assert cores.usable_cores() == 3
    groups("0::/job.slice/task\n", {"job.slice/task/cpu.max": "100000 100000"})
    assert cores.usable_cores() == 1


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("150000", 2)])
def test_the_first_version_of_control_groups_counts(groups: Groups, quota: str, expected: int) -> None:
    period = {"cpu,cpuacct/docker/1f2e/cpu.cfs_period_us": "100000\n"}
    groups(
        "5:memory:/docker/1f2e\n4:cpu,cpuacct:/docker/1f2e\n0::/\n",
        {"cpu,cpuacct/docker/1f2e/cpu.cfs_quota_us": f"{quota}\n", **period},
    )
    assert cores.usable_cores() == expected


def test_a_container_that_sees_names_of_its_host_has_its_quota(groups: Groups) -> None:
    files = {"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}
    groups("4:cpu:/docker/1f2e\n", files)
    assert cores.usable_cores() == 4


def test_without_control_groups_all_cores_count(groups: Groups) -> None:
    assert cores.usable_cores() == 8


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_affinity_counts() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def four_threads(monkeypatch: pytest.MonkeyPatch):
    """Torch uses four threads on four cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    monkeypatch.setattr(devices, "usable_cores", lambda: 4)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("available", "beside", "threads"), [(1, 1, 1), (2, 1, 1), (4, 1, 3), (4, 0, 4), (64, 1, 4)]
)
@pytest.mark.usefixtures("four_threads")
def test_cores_are_left_to_decoder_and_encoder_for_a_while(
    monkeypatch: pytest.MonkeyPatch, available: int, beside: int, threads: int
) -> None:
    monkeypatch.setattr(devices, "usable_cores", lambda: available)
    with devices.shared_cores(CPU, beside):
        assert torch.get_num_threads() == threads
        assert devices.name_of(CPU) == f"cpu ({threads} thread{'s' if threads > 1 else ''})"
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_a_render_leaves_the_number_of_threads_as_it_was(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", frames=3)
    during = []
    settings = StylizeSettings(style="none", device="cpu", preset="ultrafast")
    render(
        video, tmp_path / "out.mp4", settings, on_progress=lambda _: during.append(torch.get_num_threads())
    )
    assert set(during) == {3}
    assert torch.get_num_threads() == 4
    with pytest.raises(RuntimeError), devices.shared_cores(CPU):
        raise RuntimeError
    assert torch.get_num_threads() == 4


@pytest.mark.parametrize(("usable", "given", "expected"), [(2, None, "2"), (2, "1", "1"), (3, None, "None")])
def test_the_program_starts_no_more_threads_than_a_quota_allows(
    usable: int, given: str | None, expected: str
) -> None:
    """Torch takes its number from OMP_NUM_THREADS; the program sets it only where that lowers it."""
    program = (
        "import os, sys, streamstyle.apps.cli as cli\n"
        f"cli.usable_cores, cli.cores_by_affinity = lambda: {usable}, lambda: 4\n"
        "cli.app = lambda: print(os.environ.get('OMP_NUM_THREADS'))\n"
        "cli.main()\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {"OMP_NUM_THREADS": given} if given else {}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == expected, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_threads_that_write_let_the_effect_go_first() -> None:
    priorities: list[int] = []

    class Recorder(MemorySink):
        def write(self, item: SinkItem) -> None:
            thread = threading.Thread(
                target=lambda: priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            )
            thread.start()  # as an encoder starts its threads
            thread.join()

    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    writer = Writer([Recorder()], 1)
    writer.put(Checkpoint({}))
    writer.finish()
    assert priorities[0] > ours == os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
