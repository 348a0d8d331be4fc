"""What processes keep of files that have no name any more. Linux only."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

BLOCK = 512
MAPPED_ANYWAY = ("/dev/shm/", "/dev/zero", "/memfd:", "/SYSV", "/[aio]")  # counted elsewhere, or not files
UNSEEN = (0, True)  # of processes that nobody may look into


def held_files(pids: list[int]) -> tuple[int, bool]:
    """(bytes of files without a name that processes have open, whether they may keep others in another way).

    Descriptors on their way through a socket and removed files that are mapped are such ways: their size can't be seen.
    Raises PermissionError when this user may not look into a process.
    """
    nameless, hidden = {}, False
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            hidden = hidden or _maps_removed_files(pid)
            for thread, descriptor, status in _descriptors(pid):
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    nameless[status.st_dev, status.st_ino] = status.st_blocks * BLOCK
                elif stat.S_ISSOCK(status.st_mode):
                    hidden = hidden or _has_descriptors_in_flight(f"{thread}/fdinfo/{descriptor}")
    return sum(nameless.values()), hidden


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


def _has_descriptors_in_flight(fdinfo: str) -> bool:
    """Whether descriptors wait in a socket to be received."""
    with suppress(FileNotFoundError), open(fdinfo) as file:
        return any(line.startswith("scm_fds:") and int(line.split()[1]) > 0 for line in file)
    return False


def _maps_removed_files(pid: int) -> bool:
    """Whether a process has files in memory that have no name any more."""
    with open(f"/proc/{pid}/maps", errors="replace") as file:
        names = (line.split(maxsplit=5)[5] for line in file if line.endswith(" (deleted)\n"))
        return any(not name.startswith(MAPPED_ANYWAY) for name in names)
