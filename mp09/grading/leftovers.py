"""What a worker's own user id holds outside of the working folder: found, measured and removed by owner. Linux only.

Everything is done in a child that acts for the user, so it can touch nothing that is not that user's; it has a time
limit, and nothing that goes wrong there reaches the process that asked for it.
"""

import json
import os
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress

from mp09 import trees
from mp09.grading.held import UNSEEN, Held, held_files
from mp09.grading.isolation import SHARED_MEMORY
from mp09.grading.isolation.kernel import LIBC
from mp09.grading.isolation.users import act_for

# Folders besides it that everybody may write to, on one distribution or another
FOR_EVERYBODY = ("/tmp", "/var/tmp", "/dev/mqueue", "/run/lock", "/var/crash")
LIMIT_S = 60
KILL_TIMES = 10
IPC_RMID = 0
# Queues and memory that have a number instead of a file: what lists them, and what removes one
NUMBERED: dict[str, Callable[[int], int]] = {
    "shm": lambda number: LIBC.shmctl(number, IPC_RMID, None),
    "msg": lambda number: LIBC.msgctl(number, IPC_RMID, None),
    "sem": lambda number: LIBC.semctl(number, 0, IPC_RMID),
}


def kill_processes(user: int) -> None:
    """Kill all processes of a user at once, so that none can fork meanwhile."""
    for _ in range(KILL_TIMES):  # what does the same for another user may kill this one's
        if _acting_for(user, lambda: os.kill(-1, signal.SIGKILL), kills=True):
            return


def remove_files(user: int, folder: str) -> None:
    """Remove what a user left in folders that everybody may write to, but for its working folder, and its queues."""
    _acting_for(user, lambda: _remove(user, folder))


def held_by(user: int, pids: list[int]) -> Held:
    """`held_files` of processes of a user, who may look into them where root without its powers may not."""
    read, write = os.pipe()
    _acting_for(user, lambda: os.write(write, json.dumps(held_files(pids)).encode()))
    os.close(write)
    with os.fdopen(read) as answer:
        return Held(*json.loads(answer.read() or json.dumps(UNSEEN)))


def sizes(user: int, folder: str, *places: str) -> Iterator[int]:
    """Bytes on disk of each file and folder of a user in these places, but for its working folder."""
    for entry, status in _entries(user, folder, *places):
        yield status.st_blocks * 512
        if stat.S_ISDIR(status.st_mode):
            yield from trees.sizes(entry)


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
                with suppress(OSError):  # gone meanwhile
                    if (status := os.lstat(path)).st_uid == user and path != folder:
                        yield path, status


def _numbers(kind: str, user: int) -> list[int]:
    try:
        with open(f"/proc/sysvipc/{kind}") as file:
            names, *rows = [line.split() for line in file]
    except (OSError, ValueError):
        return []
    number, owner = names.index(f"{kind}id"), names.index("uid")
    return [int(row[number]) for row in rows if row[owner] == str(user)]


def _acting_for(user: int, action: Callable[[], object], *, kills: bool = False) -> bool:
    """Whether it was done, as far as it could be."""
    pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(LIMIT_S)
            act_for(user, kills=kills)
            with suppress(OSError):  # as of a user that has no process
                action()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0
