"""Find out what this process may use of the machine.

An affinity or a container may allow it fewer cores and less memory than there are.
"""

import math
import os
from pathlib import Path

import psutil

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, cores_of_container(GROUPS / "cpu.max") or cores)


def cores_of_container(cpu_max: Path) -> int | None:
    """Return the cores that a container may use, rounded up; None where there is no quota.

    Args:
        cpu_max: The file of cgroup v2 that holds "QUOTA PERIOD".
    """
    try:
        quota, period = cpu_max.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None


def usable_memory() -> int:
    """Return the bytes that all processes here may use together.

    This is the machine's memory, or the limit of its control group where that is lower.
    """
    return min([psutil.virtual_memory().total, *memory_limits(GROUPS, OWN_GROUPS)])


def memory_limits(groups: Path, own: Path) -> list[int]:
    """List the memory limits, in bytes, of cgroup v2 and v1, both of the mounted root and of this process's own group.

    A container sees its own limit at the mounted root. Limits that do not exist are left out.

    Args:
        groups: The folder where control groups are mounted.
        own: The file that names this process's groups.
    """
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
        except (OSError, ValueError):  # this version is not there, or the limit is "max"
            continue
    return limits
