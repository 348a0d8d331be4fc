"""A user id of its own for every worker, and the capabilities that root gives up. Linux only."""

import ctypes
import os
import struct
from collections.abc import Iterable

from mp09.grading.isolation.kernel import LIBC, failure

# linux/prctl.h, linux/capability.h
PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 4, 8, 24, 47, 2
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}

# User ids that no distribution hands out: one for every process id there can be; few, where ids have only 16 bits.
USER_IDS = (range(1_879_048_192, 1_879_048_192 + (1 << 22)), range(61_184, 65_184))


def is_worker_user(user: int) -> bool:
    """Whether a user id is one of those that workers take."""
    return any(user in ids for ids in USER_IDS)


def user_of(pid: int) -> int | None:
    """The user id that a worker with this process id takes; None where this process can't take one."""
    if os.geteuid() != 0:
        return None
    for ids in USER_IDS:
        user = ids[pid % len(ids)]
        try:
            os.setresuid(-1, user, -1)
        except OSError:
            continue
        os.setresuid(-1, 0, -1)
        return user
    return None


def become(user: int, folders: Iterable[str], *, read_everything: bool) -> None:
    """Give up root for a user id, which gets the folders.

    read_everything: keep the one capability that reads what only root could read.
    """
    LIBC.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    for folder in folders:
        os.chown(folder, user, user)
        os.chmod(folder, 0o700)  # other submissions run beside it
    _drop_capabilities(keep=(CAP_DAC_READ_SEARCH,) if read_everything else ())
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _set_capabilities((CAP_DAC_READ_SEARCH,) if read_everything else ())
    LIBC.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # or else nobody could look what it holds, its own user included
    if read_everything:
        LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)


def give_up_capabilities() -> None:
    """Keep the user id, and none of its powers; those that a user namespace brought go too."""
    _drop_capabilities()
    _set_capabilities(())


def may_read_everything() -> bool:
    """Whether this process has the capability that reads what only root could read."""
    with open("/proc/self/status", "rb") as file:
        line = next(line for line in file.read().split(b"\n") if line.startswith(b"CapPrm:"))
    return bool(int(line.split()[1], 16) >> CAP_DAC_READ_SEARCH & 1)


def unreachable(user: int, paths: Iterable[str], folder: str) -> str | None:
    """The first of the paths that a user can't read, or the folder when it can't pass through to it; else None."""
    os.setresgid(-1, user, -1)
    os.setresuid(-1, user, -1)
    try:
        closed = (path for path in paths if not os.access(path, os.R_OK, effective_ids=True))
        return next(closed, None if os.path.exists(folder) else folder)
    finally:
        os.setresuid(-1, 0, -1)
        os.setresgid(-1, 0, -1)


def _drop_capabilities(keep: Iterable[int] = ()) -> None:
    """Take all but these out of the bounding set, so that no program gives them back."""
    for capability in set(range(64)) - set(keep):
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def _set_capabilities(kept: Iterable[int]) -> None:
    """Only these, in all of the effective, permitted and inheritable sets."""
    bits = sum(1 << capability for capability in kept)
    header = struct.pack("<Ii", CAPABILITY_VERSION_3, 0)
    data = struct.pack("<6I", *(bits,) * 3, 0, 0, 0)
    if LIBC.syscall(ctypes.c_long(SYS_CAPSET[os.uname().machine]), header, data):
        raise failure("capset")
