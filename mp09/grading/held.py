"""What processes keep in files that have no name any more, and in sockets. Linux only."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from mp09.grading.isolation import SHARED_MEMORY

BLOCK = 512
NO_FILES = ("/dev/zero", "/memfd:", "/SYSV", "/[aio]")  # mapped like files
DESCRIPTORS = 20_000  # looked at of a process; each of its threads shows all, or has others


class Held(NamedTuple):
    """What processes keep in files without a name, and in sockets.

    open_bytes: of files that they have open; on_disk, in_memory: whether they may keep others, on disk or in /dev/shm,
    in a way that does not show their size: mapped, or by descriptors on their way through a socket; sockets: how many
    there are at most, those on their way included.
    """

    open_bytes: int
    on_disk: bool
    in_memory: bool
    sockets: int


UNSEEN = Held(0, True, True, 0)  # of processes that nobody may look into


def held_files(pids: list[int]) -> Held:
    """Raises PermissionError when this user may not look into a process."""
    nameless, on_disk, in_memory, sockets = {}, False, False, {}
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
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
    """Folders of a process' threads."""
    folder = f"/proc/{pid}/task"
    try:
        return [f"{folder}/{thread}" for thread in os.listdir(folder)]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _descriptors(pid: int) -> Iterator[tuple[str, str, os.stat_result]]:
    """Of all threads: each may have its own, and the first may have ended."""
    for thread in threads(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            for descriptor in os.listdir(f"{thread}/fd"):
                with suppress(FileNotFoundError):
                    yield thread, descriptor, os.stat(f"{thread}/fd/{descriptor}")


def _descriptors_in_flight(fdinfo: str) -> int:
    """How many descriptors wait in a socket to be received."""
    with suppress(FileNotFoundError), open(fdinfo) as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("scm_fds:"))
    return 0


def _removed_files_mapped(pid: int) -> set[str]:
    """Former names of files that a process has mapped."""
    with open(f"/proc/{pid}/maps", errors="replace") as file:
        names = {line.split(maxsplit=5)[5] for line in file if line.endswith(" (deleted)\n")}
    return {name for name in names if not name.startswith(NO_FILES)}
