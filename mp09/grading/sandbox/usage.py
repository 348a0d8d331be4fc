"""Measure, from outside, what a worker uses: processes, memory and disk.

What disappears while it is measured counts as nothing.
"""

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
from mp09.grading import rubric
from mp09.grading.sandbox import leftovers
from mp09.grading.sandbox.cgroup import MemoryGroup
from mp09.grading.sandbox.held import Held, held_files, threads
from mp09.grading.sandbox.isolation import SHARED_MEMORY

SHARE_LIMIT_S = 1.0
HIDDEN_S = 2.0  # hidden for less does not count: what DataLoader workers send is received at once
SOCKET_BYTES = Path("/proc/sys/net/core/wmem_default")  # holds how many bytes may wait in a socket


def family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants; none when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


@dataclass
class Meter:
    """Measures a worker.

    Attributes:
        pid: Id of its first process.
        folder: Its working folder.
        group: Its memory control group; None without one.
        look: Says what processes hold of removed files (see `held.held_files`).
        user: Its own user id; None when it has the grader's.
        own_shared_memory: Whether its /dev/shm is its own.
    """

    pid: int
    folder: Path
    group: MemoryGroup | None = None
    look: Callable[[list[int]], Held] = held_files
    user: int | None = None
    own_shared_memory: bool = False

    def __post_init__(self) -> None:
        self._free_at_first = {place: _free_bytes(place) for place in (self.folder, SHARED_MEMORY)}
        self._hidden_since: dict[Path | str, float] = {}  # folders whose files can't all be measured
        self._socket_bytes = 0

    @property
    def method(self) -> str:
        """Return what counts the memory: "control group" or "processes"."""
        return "control group" if self.group else "processes"

    def memory_bytes(self, processes: list[psutil.Process], limit: int) -> int:
        """Return the bytes of memory that the worker uses.

        A control group counts everything. Without one this is the memory of the processes, and what the worker keeps in
        /dev/shm and, as of the last call of `disk_bytes`, in sockets.

        Args:
            processes: All processes of the worker.
            limit: Bytes above which memory that processes share is divided among them (see the function
                `memory_bytes`).
        """
        if self.group:
            return self.group.used_bytes()
        return memory_bytes(processes, limit) + self._shared_bytes() + self._socket_bytes

    def disk_bytes(self, processes: list[psutil.Process]) -> int:
        """Return the bytes of the worker's files, those without a name included.

        They may lie in its working folder and in folders that everybody may write to. While some of them can't be
        measured, this is at least what the disk has lost since the worker started.

        Args:
            processes: All processes of the worker.
        """
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
        """Return the bytes that a disk has lost since the worker started, or 0.

        It is 0 unless the worker has kept files there that can't be measured for some time (`HIDDEN_S`).
        """
        if time.monotonic() - self._hidden_since.get(place, time.monotonic()) < HIDDEN_S:
            return 0
        return self._free_at_first[place] - _free_bytes(place)


def _sum(sizes: Iterable[int]) -> int:
    """Add up sizes. The sum is more than any limit when there are too many files to count."""
    total = 0
    for count, size in enumerate(sizes):
        if count > rubric.FILE_COUNT_LIMIT:
            return sys.maxsize
        total += size
    return total


def memory_bytes(processes: list[psutil.Process], limit: int) -> int:
    """Return the bytes of memory of processes: what is resident, or where that is too much, their fair share of it.

    The share is slow to read where many processes compete for the processor. For those whose share was not read in
    time, it is taken in proportion to the others.
    """
    resident = {process: _resident(process) for process in processes}
    if (total := sum(resident.values())) <= limit:
        return total
    asked, share, started = 0, 0, time.monotonic()
    for process in sorted(processes, key=resident.__getitem__, reverse=True):
        asked += resident[process]
        share += _bytes_of(process, lambda p: p.memory_full_info().pss, resident[process]) or resident[process]
        if time.monotonic() - started > SHARE_LIMIT_S:
            break
    return total * share // asked


def _resident(process: psutil.Process) -> int:
    """Return the resident bytes of a process.

    When its first thread has ended, the process shows nothing, and another of its threads is asked.
    """
    if used := _bytes_of(process, lambda p: p.memory_info().rss, 0):
        return used
    for thread in threads(process.pid):
        with suppress(OSError, ValueError, IndexError), open(f"{thread}/statm") as file:
            if pages := int(file.read().split()[1]):
                return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def _bytes_of(process: psutil.Process, number: Callable[[psutil.Process], int], unknown: int) -> int:
    """Return one number about a process: 0 when it is gone, and `unknown` where the system does not tell."""
    try:
        return number(process)
    except psutil.NoSuchProcess:
        return 0
    except (psutil.Error, AttributeError):
        return unknown


@cache
def _socket_bytes() -> int:
    with suppress(OSError):
        return int(SOCKET_BYTES.read_text())
    return 0


def _free_bytes(folder: Path | str) -> int:
    """Return the free bytes of the disk that a folder lies on."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return 0
