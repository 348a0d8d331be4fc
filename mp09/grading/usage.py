"""What a worker uses: processes, memory, disk. Measured from outside; what is gone meanwhile counts as nothing."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from mp09 import trees
from mp09.grading import leftovers, rubric
from mp09.grading.cgroup import MemoryGroup
from mp09.grading.held import Held, held_files, threads
from mp09.grading.isolation import SHARED_MEMORY

SHARE_LIMIT_S = 1.0
HIDDEN_S = 2.0  # DataLoader workers send descriptors too; they are received at once
SOCKET_BYTES = Path("/proc/sys/net/core/wmem_default")  # of what waits in a socket, at most


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants; none when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


@dataclass
class Meter:
    """Measures a worker.

    pid: its first process; folder: its working folder; group: its memory control group, None without; look: says what
    processes hold of removed files, see `held.held_files`; user: its own user id, None when it has the grader's;
    own_shared_memory: whether its /dev/shm is its own.
    """

    pid: int
    folder: Path
    group: MemoryGroup | None = None
    look: Callable[[list[int]], Held] = held_files
    user: int | None = None
    own_shared_memory: bool = False

    def __post_init__(self):
        self._free_at_first = {place: _free_bytes(place) for place in (self.folder, SHARED_MEMORY)}
        self._hidden_since: dict[Path | str, float] = {}  # where it keeps files that can't be measured
        self._socket_bytes = 0

    @property
    def method(self) -> str:
        """What counts memory."""
        return "control group" if self.group else "processes"

    def memory_bytes(self, processes: list[psutil.Process], limit: int) -> int:
        """Of all its processes, and of what it keeps in /dev/shm and, when `disk_bytes` last looked, in sockets."""
        if self.group:
            return self.group.used_bytes()
        return memory_bytes(processes, limit) + self._shared_bytes() + self._socket_bytes

    def disk_bytes(self, processes: list[psutil.Process]) -> int:
        """Of its working folder, of folders that everybody may write to, and of files without a name."""
        held = self.look([process.pid for process in processes])
        self._socket_bytes = held.sockets * _socket_bytes()
        for place, hidden in ((self.folder, held.on_disk), (SHARED_MEMORY, held.in_memory)):
            since = self._hidden_since.pop(place, time.monotonic())
            self._hidden_since |= {place: since} if hidden else {}
        seen = held.open_bytes + _sum(trees.sizes(self.folder))
        if self.user is not None:
            seen += _sum(leftovers.sizes(self.user, str(self.folder), *leftovers.FOR_EVERYBODY))
        return max(seen, self._lost_bytes(self.folder))

    def _shared_bytes(self) -> int:
        if self.own_shared_memory:
            try:
                memory = os.statvfs(f"/proc/{self.pid}/root{SHARED_MEMORY}")
            except OSError:
                return 0
            return (memory.f_blocks - memory.f_bfree) * memory.f_frsize
        seen = 0 if self.user is None else _sum(leftovers.sizes(self.user, str(self.folder), SHARED_MEMORY))
        return max(seen, self._lost_bytes(SHARED_MEMORY))

    def _lost_bytes(self, place: Path | str) -> int:
        """What a disk has lost since the beginning, while the worker keeps files that can't be measured; else 0."""
        if time.monotonic() - self._hidden_since.get(place, time.monotonic()) < HIDDEN_S:
            return 0
        return self._free_at_first[place] - _free_bytes(place)


def _sum(sizes: Iterable[int]) -> int:
    """More than any limit when there are too many files to count."""
    total = 0
    for count, size in enumerate(sizes):
        if count > rubric.FILE_COUNT_LIMIT:
            return sys.maxsize
        total += size
    return total


def memory_bytes(processes: list[psutil.Process], limit: int) -> int:
    """Memory of processes: resident, and where that is too much, their fair share of it.

    The share is slow to read where many compete for the processor: what was not read in time counts in proportion.
    """
    resident = {process: _resident(process) for process in processes}
    if (total := sum(resident.values())) <= limit:
        return total
    asked, share, started = 0, 0, time.monotonic()
    for process in sorted(processes, key=resident.get, reverse=True):
        asked += resident[process]
        share += _bytes_of(process, "memory_full_info", "pss", resident[process]) or resident[process]
        if time.monotonic() - started > SHARE_LIMIT_S:
            break
    return total * share // asked


def _resident(process: psutil.Process) -> int:
    """Of a process; of another thread of it when the first has ended, which then shows nothing."""
    if used := _bytes_of(process, "memory_info", "rss", 0):
        return used
    for thread in threads(process.pid):
        with suppress(OSError, ValueError, IndexError), open(f"{thread}/statm") as file:
            if pages := int(file.read().split()[1]):
                return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def _bytes_of(process: psutil.Process, info: str, kind: str, unknown: int) -> int:
    """0 for a process that is gone; `unknown` where the system does not tell."""
    try:
        return getattr(getattr(process, info)(), kind, unknown)
    except psutil.NoSuchProcess:
        return 0
    except psutil.Error:
        return unknown


@cache
def _socket_bytes() -> int:
    with suppress(OSError):
        return int(SOCKET_BYTES.read_text())
    return 0


def _free_bytes(folder: Path | str) -> int:
    """Of the disk that a folder lies on."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return 0
