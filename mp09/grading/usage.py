"""What a worker uses: processes, memory, disk. Measured from outside; what is gone meanwhile counts as nothing."""

import os
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from mp09 import trees
from mp09.grading import leftovers, rubric
from mp09.grading.cgroup import MemoryGroup

SHARE_LIMIT_S = 1.0
BLOCK = 512
# DataLoader workers send descriptors too; they are received at once.
HIDDEN_S = 2.0
MAPPED_ANYWAY = ("/dev/shm/", "/dev/zero", "/memfd:", "/SYSV", "/[aio]")


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

    pid: its first process; folder: its working folder; group: its memory control group, None without; user: its own
    user id, None when it has the grader's; own_shared_memory: whether its /dev/shm is its own.
    """

    pid: int
    folder: Path
    group: MemoryGroup | None = None
    user: int | None = None
    own_shared_memory: bool = False

    def __post_init__(self):
        self._free_at_first = _free_bytes(self.folder)
        self._hidden_since: float | None = None

    @property
    def method(self) -> str:
        """What counts memory."""
        return "control group" if self.group else "processes"

    def memory_bytes(self, processes: list[psutil.Process], limit: int) -> int:
        """Of all its processes, and of what it keeps in /dev/shm."""
        if self.group:
            return self.group.used_bytes()
        return memory_bytes(processes, limit) + self._shared_bytes()

    def disk_bytes(self, processes: list[psutil.Process]) -> int:
        """Of its working folder, of folders that everybody may write to, and of files without a name.

        While it keeps files in a way that can't be measured, in sockets or mappings, what the disk has lost counts.
        """
        seen = _sum(trees.sizes(self.folder))
        if self.user is not None:
            seen += _sum(leftovers.sizes(self.user, str(self.folder), *leftovers.FOR_EVERYBODY))
        nameless, hidden = open_files(processes)
        seen += nameless
        self._hidden_since = (self._hidden_since or time.monotonic()) if hidden else None
        if hidden and time.monotonic() - self._hidden_since > HIDDEN_S:
            return max(seen, self._free_at_first - _free_bytes(self.folder))
        return seen

    def _shared_bytes(self) -> int:
        if self.own_shared_memory:
            try:
                memory = os.statvfs(f"/proc/{self.pid}/root{leftovers.SHARED_MEMORY}")
            except OSError:
                return 0
            return (memory.f_blocks - memory.f_bfree) * memory.f_frsize
        return 0 if self.user is None else _sum(leftovers.sizes(self.user, str(self.folder), leftovers.SHARED_MEMORY))


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
    for thread in _threads(process):
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


def _threads(process: psutil.Process) -> list[str]:
    """Folders of a process' threads; none elsewhere than on Linux."""
    folder = f"/proc/{process.pid}/task"
    try:
        return [f"{folder}/{thread}" for thread in os.listdir(folder)]
    except OSError:
        return []


def open_files(processes: list[psutil.Process]) -> tuple[int, bool]:
    """(bytes of files without a name that processes keep open, whether they may keep others in another way)."""
    nameless, hidden = {}, any(_maps_removed_files(process) for process in processes)
    for thread, descriptor, status in _descriptors(processes):
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
            nameless[status.st_dev, status.st_ino] = status.st_blocks * BLOCK
        elif stat.S_ISSOCK(status.st_mode):
            hidden = hidden or _has_descriptors_in_flight(f"{thread}/fdinfo/{descriptor}")
    return sum(nameless.values()), hidden


def _descriptors(processes: list[psutil.Process]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Of all threads: each may have its own, and the first may have ended."""
    for process in processes:
        for thread in _threads(process):
            with suppress(OSError):
                for descriptor in os.listdir(f"{thread}/fd"):
                    with suppress(OSError):
                        yield thread, descriptor, os.stat(f"{thread}/fd/{descriptor}")


def _has_descriptors_in_flight(fdinfo: str) -> bool:
    """Whether descriptors wait in a socket to be received."""
    with suppress(OSError), open(fdinfo) as file:
        return any(line.startswith("scm_fds:") and int(line.split()[1]) > 0 for line in file)
    return False


def _maps_removed_files(process: psutil.Process) -> bool:
    """Whether a process has files in memory that have no name any more; batches in /dev/shm are counted elsewhere."""
    with suppress(OSError), open(f"/proc/{process.pid}/maps", errors="replace") as file:
        names = (line.split(maxsplit=5)[5] for line in file if line.endswith(" (deleted)\n"))
        return any(not name.startswith(MAPPED_ANYWAY) for name in names)
    return False


def _free_bytes(folder: Path) -> int:
    """Of the disk that a folder lies on."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return 0
