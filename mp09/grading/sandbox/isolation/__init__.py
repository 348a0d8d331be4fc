"""Make the kernel hold a worker: what it may read, write, reach, signal and spend. Linux only; nothing here needs root.

`confine.confine` is called in the worker before a submission is loaded. What it does can't be undone, and children
inherit it:

    limits         number of processes, size of a file, open files, no core dumps
    mounts         an empty /dev/shm of its own, of limited size, where the system lets a process mount one
    users          as root: an unused user id of its own, and no capabilities
    no-new-privs   setuid programs give nothing
    landlock       reads only Python, the data and the working copy; writes only the working copy and /dev/shm;
                   no TCP; from ABI 6 no signals and no abstract sockets to the outside
    syscalls       seccomp: no sockets but local ones, no ptrace and other processes' memory, no namespaces and mounts,
                   nothing that acts on other processes, ...

All levels have the first three layers. From level "user" on come no-new-privs and seccomp, and at level "sandboxed"
Landlock.

This package does not cover sockets that have a path and that this user may open, nor time and memory. `host` watches
time and memory, and `forkserver` makes a worker the first to be ended when the machine's memory runs out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

PROCESS, USER, SANDBOXED = "process", "user", "sandboxed"
LEVELS = (PROCESS, USER, SANDBOXED)  # from the lowest to the highest
AUTO = "auto"  # the highest level that a machine offers
SHARED_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class Policy:
    """Says what a worker may do. Paths that do not exist are skipped.

    Attributes:
        level: One of LEVELS.
        user: An unused user id; None where the grader is not root.
        read: Files and folders to read, with all below them.
        write: Folders to write to, and to read. The first is the worker's own.
        devices: Files to read, write and control.
        outside: Ids of processes that it may not signal.
        processes: How many processes and threads it may have, besides those that the grader's user has already.
        file_bytes: Size of a file, at most, in bytes.
        open_files: How many files each of its processes may have open.
        shared_bytes: Size of its own /dev/shm, in bytes.
        files: How many files its own /dev/shm may hold.
    """

    level: str = PROCESS
    user: int | None = None
    read: Sequence[str] = ()
    write: Sequence[str] = ()
    devices: Sequence[str] = ()
    outside: Sequence[int] = ()
    processes: int = 256
    file_bytes: int = 1 << 30
    open_files: int = 4096
    shared_bytes: int = 1 << 30
    files: int = 10_000


@dataclass(frozen=True)
class Confined:
    """Says what was put in force.

    Attributes:
        landlock_abi: The ABI version of Landlock; 0 without Landlock.
        user: The worker's own user id; None when it has the grader's.
        seccomp: Whether seccomp is in force.
        own_shared_memory: Whether the worker has a /dev/shm of its own.
    """

    landlock_abi: int = 0
    user: int | None = None
    seccomp: bool = False
    own_shared_memory: bool = False
