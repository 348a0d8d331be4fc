"""The kernel holds a worker: what it may read, write, reach, signal and spend. Linux only; nothing here needs root.

`confine.confine` is called in the worker before a submission is loaded. It can't be undone, and children inherit it:

    rlimits        processes, file size, open files, no core dumps; first in line when memory runs out
    mounts         an empty /dev/shm of its own, of limited size, where the system lets a process mount one
    users          as root: an unused user id of its own, and no capabilities
    no-new-privs   setuid programs give nothing
    landlock       reads only Python, the data and the working copy; writes only the working copy and /dev/shm;
                   no TCP; from ABI 6 no signals and no abstract sockets to the outside
    syscalls       seccomp: no sockets but local ones, no ptrace and other processes' memory, no namespaces and mounts,
                   nothing that acts on other processes, ...

Does not cover: sockets that have a path and that this user may open, time and memory (`host` watches those).
"""

from dataclasses import dataclass

PROCESS, USER, SANDBOXED = "process", "user", "sandboxed"
LEVELS = (PROCESS, USER, SANDBOXED)  # from the lowest
AUTO = "auto"  # the highest that a machine offers
SHARED_MEMORY = "/dev/shm"


@dataclass(frozen=True)
class Policy:
    """What a worker may do. Paths that do not exist are skipped.

    level: one of LEVELS; user: an unused user id, None where the grader is not root; read: files and folders with
    all below them; write: folders, readable too, of which the first is its own; devices: files to read, write and
    control; outside: processes that it may not signal; processes: at most so many, threads included, besides those that
    the user has already; shared_bytes: of /dev/shm; files: in /dev/shm.
    """

    level: str = PROCESS
    user: int | None = None
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    outside: tuple[int, ...] = ()
    processes: int = 256
    file_bytes: int = 1 << 30
    open_files: int = 4096
    shared_bytes: int = 1 << 30
    files: int = 10_000


@dataclass(frozen=True)
class Confined:
    """What was put in force: the Landlock ABI, 0 without; the worker's own user id, None when it is the grader's;
    whether seccomp is there, and a /dev/shm of its own."""

    landlock_abi: int = 0
    user: int | None = None
    seccomp: bool = False
    own_shared_memory: bool = False
