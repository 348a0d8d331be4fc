"""Use Landlock, which says which files this process and its children may reach, and whom they may signal.

The kernel offers it from Linux 5.13 on.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

from mp09.grading.sandbox.isolation.kernel import failure, libc

# These bits are those of linux/landlock.h. ACCESS_OF_ABI has them by the ABI version that brought them.
READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read file, read folder
FILE_ONLY = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # execute, write, read, truncate, ioctl
ACCESS_OF_ABI = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
TRUNCATE_ABI = 3
DEVICE_NODES = 1 << 6 | 1 << 11  # to make character and block devices, which nobody may
TCP, SCOPES = 0b11, 0b11  # bind and connect (ABI 4); abstract sockets and signals (ABI 6)
SCOPED_ABI = 6  # from Linux 6.12
SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT = 444, 445, 446  # the same on all architectures


def abi() -> int:
    """Return the kernel's version of Landlock, which is 0 where there is none."""
    return max(0, libc().syscall(SYS_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


def restrict(read: Iterable[str], write: Iterable[str], devices: Iterable[str]) -> int:
    """Allow this process only these existing paths, and return the version of Landlock.

    From version 4 on, TCP is closed, too. From version 6 on, so are signals and abstract sockets to the outside.

    Args:
        read: Files and folders to read and execute, with all below them.
        write: Folders to read and write.
        devices: Files to read, write and control.

    Raises:
        OSError: The kernel has no Landlock, or refuses a rule.
    """
    if not (version := abi()):
        raise OSError(errno.EOPNOTSUPP, "Landlock: this kernel has none")
    every = sum(access for since, access in ACCESS_OF_ABI.items() if since <= version)
    attributes = struct.pack("<QQQ", every, TCP, SCOPES)[: 24 if version >= SCOPED_ABI else 16 if version >= 4 else 8]
    ruleset = libc().syscall(SYS_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if ruleset < 0:
        raise failure("Landlock ruleset")
    for paths, access in ((read, READ), (write, every & ~DEVICE_NODES), (devices, FILE_ONLY)):
        for path in paths:
            _allow(ruleset, path, access & every)
    if libc().syscall(SYS_LANDLOCK_RESTRICT, ruleset, ctypes.c_uint32(0)):
        raise failure("Landlock")
    os.close(ruleset)
    return version


def _allow(ruleset: int, path: str, access: int) -> None:
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("<Qi", access & (-1 if os.path.isdir(path) else FILE_ONLY), beneath)
    failed = libc().syscall(SYS_LANDLOCK_ADD, ruleset, ctypes.c_uint32(1), rule, ctypes.c_uint32(0))
    os.close(beneath)
    if failed:
        raise failure(f"Landlock rule for {path}")
