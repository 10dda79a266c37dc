"""The number of CPU cores that this process may use, which can be fewer than the machine has.

`taskset` and batch systems restrict a process to some cores; containers have a CPU quota. More threads than
that only wait for one another.
"""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")  # the control groups of Linux
MEMBERSHIP = Path("/proc/self/cgroup")  # the groups that this process is in
_LESS_PRIORITY = 5  # "niceness" to add: a thread gets a quarter of a core that another one also wants
_LEAST_PRIORITY = 19


def usable_cores() -> int:
    """Number of cores that this process may use at once, by affinity and quota; at least 1."""
    return max(1, min([cores_by_affinity(), *(math.ceil(quota) for quota in _quotas())]))


def cores_by_affinity() -> int:
    """Number of cores on which this process may run; a quota can allow fewer at once."""
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def lower_priority() -> None:
    """Let other threads of this process go first before this one and those that it will start.

    Only Linux has priorities of single threads; elsewhere this does nothing.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            now = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(now + _LESS_PRIORITY, _LEAST_PRIORITY))


def _quotas() -> Iterator[float]:
    """The CPU quotas of all groups that the process is in, in cores."""
    for group in groups():
        try:
            if (group / "cpu.max").exists():  # version 2: "50000 100000", or "max 100000"
                quota, period = (group / "cpu.max").read_text().split()
            else:  # version 1; -1 means no limit
                quota = (group / "cpu.cfs_quota_us").read_text().strip()
                period = (group / "cpu.cfs_period_us").read_text().strip()
            if quota not in ("max", "-1"):
                yield int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue  # this group sets no limit


def groups(controller: str = "cpu") -> Iterator[Path]:
    """Folders of the process's control groups and of their parents, for a controller: "cpu" or "memory".

    A container may see the host's group names, but only its own group, as the root; then some folders do not
    exist.
    """
    try:
        lines = MEMBERSHIP.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)  # "0::/user.slice", or "4:cpu,cpuacct:/docker/1f2e"
        if not controllers or controller in controllers.split(","):
            root = CGROUPS / controllers
            group = root / name.lstrip("/")
            yield from (group, *(above for above in group.parents if above.is_relative_to(root)))
