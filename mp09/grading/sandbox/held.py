"""Find out what processes keep in files that have no name any more, and in sockets. Linux only."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from mp09.grading.sandbox.isolation import SHARED_MEMORY

BLOCK = 512
NO_FILES = ("/dev/zero", "/memfd:", "/SYSV", "/[aio]")  # these look like mapped files, but are none
DESCRIPTORS = 20_000  # looked at in one process; each of its threads shows all of them, or has others


class Held(NamedTuple):
    """Says what processes keep in files without a name, and in sockets.

    The size of a file does not show when it is only mapped, or when its descriptor is on its way through a socket.

    Attributes:
        open_bytes: Bytes on disk of the files without a name that they have open.
        on_disk: Whether they may keep further files on disk in a way that hides their size.
        in_memory: Whether they may keep further files in /dev/shm in a way that hides their size.
        sockets: How many sockets they have at most, those included that are on their way through another.
    """

    open_bytes: int
    on_disk: bool
    in_memory: bool
    sockets: int


UNSEEN = Held(0, True, True, 0)  # stands for processes that nobody may look into


def held_files(pids: list[int]) -> Held:
    """Return what these processes hold; those that have ended hold nothing.

    Raises:
        PermissionError: This user may not look into one of the processes.
    """
    nameless, on_disk, in_memory, sockets = {}, False, False, {}
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):  # the process has ended
            for name in _removed_files_mapped(pid):
                in_shared_memory = name.startswith(SHARED_MEMORY)
                on_disk, in_memory = on_disk or not in_shared_memory, in_memory or in_shared_memory
            for thread, descriptor, status in islice(_descriptors(pid), DESCRIPTORS):
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    nameless[status.st_dev, status.st_ino] = status.st_blocks * BLOCK
                elif stat.S_ISSOCK(status.st_mode) and status.st_ino not in sockets:
                    sockets[status.st_ino] = 1 + _descriptors_in_flight(f"{thread}/fdinfo/{descriptor}")
    if sum(sockets.values()) > len(sockets):
        on_disk = in_memory = True
    return Held(sum(nameless.values()), on_disk, in_memory, sum(sockets.values()))


def threads(pid: int) -> list[str]:
    """List the folders of a process's threads below /proc; there are none when it has ended."""
    folder = f"/proc/{pid}/task"
    try:
        return [f"{folder}/{thread}" for thread in os.listdir(folder)]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _descriptors(pid: int) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield (folder of the thread, descriptor, status) for all threads of a process.

    Each thread may have descriptors of its own, and the first may have ended.
    """
    for thread in threads(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            for descriptor in os.listdir(f"{thread}/fd"):
                with suppress(FileNotFoundError):
                    yield thread, descriptor, os.stat(f"{thread}/fd/{descriptor}")


def _descriptors_in_flight(fdinfo: str) -> int:
    """Count the descriptors that wait in a socket to be received."""
    with suppress(FileNotFoundError), open(fdinfo) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("scm_fds:"))
    return 0


def _removed_files_mapped(pid: int) -> set[str]:
    """Return the former names of removed files that a process has mapped."""
    with open(f"/proc/{pid}/maps", errors="replace") as file:
        names = {line.split(maxsplit=5)[5] for line in file if line.endswith(" (deleted)\n")}
    return {name for name in names if not name.startswith(NO_FILES)}
