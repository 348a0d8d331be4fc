"""Mount a /dev/shm of the worker's own, which has a limited size and goes away with the worker. Linux only.

DataLoader workers pass their batches through /dev/shm, so it must be writable. Without one of its own a worker shares
it with everybody. Root takes a mount namespace for that, and others a user namespace besides, where the system allows
it.
"""

import os

from mp09.grading.sandbox.isolation import SHARED_MEMORY
from mp09.grading.sandbox.isolation.kernel import failure, libc

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 1 << 14, 1 << 18


def own_shared_memory(size_bytes: int, files: int) -> None:
    """Mount an empty /dev/shm that only this process and its children see.

    Args:
        size_bytes: Its size.
        files: How many files and folders it may hold.

    Raises:
        OSError: The system does not allow it.
    """
    if os.geteuid() == 0:
        _done("unshare", libc().unshare(CLONE_NEWNS))
    else:
        _own_user_namespace()
    # With this, nothing that is mounted here appears outside.
    _done("mount", libc().mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    options = f"size={size_bytes},nr_inodes={files},mode=1777".encode()
    _done("mount", libc().mount(b"tmpfs", SHARED_MEMORY.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, options))


def _own_user_namespace() -> None:
    """Take mounts and user ids of this process's own, in which it keeps its user and group."""
    user, group = os.getuid(), os.getgid()
    _done("unshare", libc().unshare(CLONE_NEWUSER | CLONE_NEWNS))
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _done(call: str, result: int) -> None:
    """Raise OSError for a call that did not return 0."""
    if result:
        raise failure(f"{call} for an own {SHARED_MEMORY}")
