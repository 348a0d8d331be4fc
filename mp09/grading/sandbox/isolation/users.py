"""Give every worker a user id of its own, and give up the capabilities of root. Linux only."""

import os
import secrets
import struct
from collections.abc import Iterable
from contextlib import suppress

from mp09.grading.sandbox.isolation.kernel import failure, libc

# linux/prctl.h, linux/capability.h
PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 4, 8, 24, 47, 2
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522

# No distribution hands out these user ids. The second range is a small one, for systems whose ids have only 16 bits.
# The two ids after the last of each range are for `act_for`.
USER_IDS = (range(1_879_048_192, 1_879_048_192 + (1 << 22)), range(61_184, 65_184))


def unused(taken: Iterable[int | None]) -> int | None:
    """Return a user id that no process has and that is not in `taken`, or None where this process can't take one."""
    if os.geteuid() != 0:
        return None
    taken = {*taken, *_users_of_processes()}
    for ids in USER_IDS:
        while (user := secrets.choice(ids)) in taken:
            pass
        try:
            os.setresuid(-1, user, -1)
        except OSError:
            continue
        os.setresuid(-1, 0, -1)
        return user
    return None


def act_for(user: int, *, kills: bool = False) -> None:
    """Reach, from this call on, what a worker's user may reach, while none of its processes can signal this one.

    The effective user id says what a process may do, and is the worker's. The real and saved ids say who may signal it,
    and are different ones.

    Args:
        user: The worker's user id.
        kills: Whether to have another pair of real and saved ids, so that a process that signals everybody misses those
            that act for other users.
    """
    own = next(ids for ids in USER_IDS if user in ids).stop + kills
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(own, user, own)


def _users_of_processes() -> set[int]:
    users = set()
    for entry in os.scandir("/proc"):
        with suppress(OSError):  # the process has ended
            if entry.name.isdigit():
                users.add(entry.stat().st_uid)
    return users


def become(user: int, folders: Iterable[str], *, read_everything: bool) -> None:
    """Give up root for a user id.

    Args:
        user: The user id.
        folders: Folders that the user gets, for itself alone.
        read_everything: Whether to keep the one capability that reads what only root could read.
    """
    libc().prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    for folder in folders:
        os.chown(folder, user, user)
        os.chmod(folder, 0o700)  # because other submissions run beside it
    _drop_capabilities(keep=(CAP_DAC_READ_SEARCH,) if read_everything else ())
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _set_capabilities((CAP_DAC_READ_SEARCH,) if read_everything else ())
    libc().prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # or else nobody, not even its own user, could see what it holds
    if read_everything:
        libc().prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)


def give_up_capabilities() -> None:
    """Keep the user id and none of its powers, those included that a user namespace brought."""
    _drop_capabilities()
    _set_capabilities(())


def may_read_everything() -> bool:
    """Return whether this process has the capability that reads what only root could read."""
    with open("/proc/self/status", "rb") as file:
        line = next(line for line in file.read().split(b"\n") if line.startswith(b"CapPrm:"))
    return bool(int(line.split()[1], 16) >> CAP_DAC_READ_SEARCH & 1)


def unreachable(user: int, paths: Iterable[str], folder: str) -> str | None:
    """Return the first path that a user can't read, or the folder if the user can't pass through to it, else None.

    This process gives up its supplementary groups for that, and does not get them back.

    Args:
        user: The user id.
        paths: Files and folders that must be readable.
        folder: A folder that must be reachable.
    """
    os.setgroups([])  # root's groups may open more
    os.setresgid(-1, user, -1)
    os.setresuid(-1, user, -1)
    try:
        closed = (path for path in paths if not os.access(path, os.R_OK, effective_ids=True))
        return next(closed, None if os.path.exists(folder) else folder)
    finally:
        os.setresuid(-1, 0, -1)
        os.setresgid(-1, 0, -1)


def _drop_capabilities(keep: Iterable[int] = ()) -> None:
    """Take all capabilities but these out of the bounding set, so that no program gives them back."""
    for capability in set(range(64)) - set(keep):
        libc().prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def _set_capabilities(kept: Iterable[int]) -> None:
    """Leave only these capabilities in the effective, permitted and inheritable sets."""
    bits = sum(1 << capability for capability in kept)
    header = struct.pack("<Ii", CAPABILITY_VERSION_3, 0)
    data = struct.pack("<6I", *(bits,) * 3, 0, 0, 0)
    if libc().capset(header, data):
        raise failure("capset")
