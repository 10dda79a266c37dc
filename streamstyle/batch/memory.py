"""Main memory: how much there is left, and how much a process uses. Where the system does not tell, 0."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from streamstyle.cores import groups

PROCESSES = Path("/proc")
_PLENTY = 2**60  # bytes; limits above stand for none


def available_bytes() -> int:
    """Memory that new processes may use, by the machine and the limits of its control groups; 0 = unknown."""
    machine = _field(PROCESSES / "meminfo", "MemAvailable")
    return min([machine, *_left_in_groups()]) if machine else 0


def used_bytes(pid: int) -> tuple[int, int]:
    """(now, at its peak) memory of a process; (0, 0) if it has ended."""
    status = PROCESSES / str(pid) / "status"
    return _field(status, "VmRSS"), _field(status, "VmHWM")


def _field(path: Path, name: str) -> int:
    """The value in bytes of a line such as "VmRSS:  1024 kB"; 0 if there is none."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def _left_in_groups() -> list[int]:
    """What the memory limits of the control groups leave; files in the cache do not count."""
    left: list[int] = []
    for group in groups("memory"):
        for limit, usage, cached in (
            ("memory.max", "memory.current", "inactive_file"),  # version 2
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            with suppress(OSError, ValueError, StopIteration):  # this group sets no limit
                most = int((group / limit).read_text())
                stats = (line.split() for line in (group / "memory.stat").read_text().splitlines())
                cache = next(int(value) for name, value in stats if name == cached)
                if most < _PLENTY:
                    left.append(max(most - int((group / usage).read_text()) + cache, 0))
    return left
