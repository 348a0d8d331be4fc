"""Find, measure and remove, by owner, what a worker's own user id holds outside of the working folder. Linux only.

Killing, removing and looking into processes happen in a child that acts for the user, so they can touch nothing that
is not that user's. The child has a time limit, and nothing that goes wrong in it reaches the process that asked for it.
Looking for files works without a child, because it changes nothing.
"""

import json
import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

from mp09 import trees
from mp09.grading.sandbox.held import UNSEEN, Held, held_files
from mp09.grading.sandbox.isolation import SHARED_MEMORY
from mp09.grading.sandbox.isolation.kernel import libc
from mp09.grading.sandbox.isolation.users import act_for

# Besides /dev/shm, everybody may write to these folders on one distribution or another.
FOR_EVERYBODY = ("/tmp", "/var/tmp", "/dev/mqueue", "/run/lock", "/var/crash")
LIMIT_S = 60
KILL_TIMES = 10
IPC_RMID = 0
# Queues and shared memory may have a number instead of a file: the kind as /proc/sysvipc has it -> what removes one.
NUMBERED: dict[str, Callable[[int], int]] = {
    "shm": lambda number: libc().shmctl(number, IPC_RMID, None),
    "msg": lambda number: libc().msgctl(number, IPC_RMID, None),
    "sem": lambda number: libc().semctl(number, 0, IPC_RMID),
}


def kill_processes(user: int) -> None:
    """Kill all processes of a user at once, so that none can fork meanwhile."""
    for _ in range(KILL_TIMES):  # a child that does the same for another user may kill this one
        if _acting_for(user, lambda: os.kill(-1, signal.SIGKILL), kills=True):
            return


def remove_files(user: int, folder: str) -> None:
    """Remove a user's queues, and what it left in folders that everybody may write to.

    Args:
        user: The worker's user id.
        folder: Its working folder, which stays.
    """
    if any(True for _ in _left(user, folder)):  # a number may be 0
        _acting_for(user, lambda: _remove(user, folder))


def held_by(user: int, pids: list[int]) -> Held:
    """Return `held_files` of a user's processes; `UNSEEN` when even the user may not look into them.

    The user may look into them where root without its powers may not.
    """
    read, write = os.pipe()
    _acting_for(user, lambda: os.write(write, json.dumps(held_files(pids)).encode()))
    os.close(write)
    with os.fdopen(read) as answer:
        return Held(*json.loads(answer.read() or json.dumps(UNSEEN)))


def sizes(user: int, folder: str, *places: str) -> Iterator[int]:
    """Yield the bytes on disk of each file and folder that a user has in these folders, and of all that lies below.

    Args:
        user: The worker's user id.
        folder: Its working folder, which is left out.
        *places: The folders to look into.
    """
    for entry, status in _entries(user, folder, *places):
        yield status.st_blocks * 512
        if stat.S_ISDIR(status.st_mode):
            yield from trees.sizes(entry)


def _left(user: int, folder: str) -> Iterator[object]:
    """Yield what `remove_files` removes."""
    yield from _entries(user, folder, SHARED_MEMORY, *FOR_EVERYBODY)
    for kind in NUMBERED:
        yield from _numbers(kind, user)


def _remove(user: int, folder: str) -> None:
    for path, status in _entries(user, folder, SHARED_MEMORY, *FOR_EVERYBODY):
        if stat.S_ISDIR(status.st_mode):
            trees.remove(path)
        else:
            with suppress(OSError):
                os.unlink(path)
    for kind, remove in NUMBERED.items():
        for number in _numbers(kind, user):
            remove(number)


def _entries(user: int, folder: str, *places: str) -> Iterator[tuple[str, os.stat_result]]:
    for place in places:
        with suppress(OSError):
            for path in (f"{place}/{name}" for name in os.listdir(place)):
                with suppress(OSError):  # it is gone meanwhile
                    if (status := os.lstat(path)).st_uid == user and path != folder:
                        yield path, status


def _numbers(kind: str, user: int) -> list[int]:
    try:
        with open(f"/proc/sysvipc/{kind}") as file:
            names, *rows = [line.split() for line in file]
        owner = names.index("uid")
    except (OSError, ValueError):
        return []
    return [int(row[1]) for row in rows if row[owner] == str(user)]


def _acting_for(user: int, action: Callable[[], object], *, kills: bool = False) -> bool:
    """Act for a user in a child, and return whether the action was done, as far as it could be."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(LIMIT_S)
            act_for(user, kills=kills)
            with suppress(OSError):  # for example because the user has no process
                action()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
