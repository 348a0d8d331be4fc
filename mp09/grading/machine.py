"""What this process may use of the machine: fewer cores and less memory where an affinity or a container says so."""

import math
import os
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, cores_of_container(GROUPS / "cpu.max") or cores)


def cores_of_container(cpu_max: Path) -> int | None:
    """From cgroup v2's "QUOTA PERIOD", rounded up; None where there is no quota."""
    try:
        quota, period = cpu_max.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None


def usable_memory() -> int:
    """Bytes that all processes here may use together: the machine's, or its control group's limit."""
    return min([psutil.virtual_memory().total, *memory_limits(GROUPS, OWN_GROUPS)])


def memory_limits(groups: Path, own: Path) -> list[int]:
    """Limits of cgroup v2 and v1, of the mounted root (a container sees its own there) and of the own group."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    inside = {path.strip("/") for _, kinds, path in lines if kinds in ("", "memory")} | {""}
    files = [groups / path / "memory.max" for path in inside]
    files += [groups / "memory" / path / "memory.limit_in_bytes" for path in inside]
    limits = []
    for file in files:
        try:
            limits.append(int(file.read_text()))
        except (OSError, ValueError):  # no such version, or "max"
            continue
    return limits
