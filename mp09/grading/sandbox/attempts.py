"""Try, from inside a worker that gets no submission, whatever isolation must prevent.

`probe` asks a worker for this. Each attempt that succeeds is a way out.
"""

import ctypes
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from mp09.grading.sandbox.isolation.kernel import failure, libc

# `probe` uses these names to say which attempts may succeed on which machine.
SIGNAL, ABSTRACT, TCP, DATAGRAM = (
    *("signal the grader", "connect to an abstract socket"),
    *("connect to this machine", "send a datagram"),
)
OTHERS_MEMORY = "read what others keep in /dev/shm"
IOPRIO_WHO_PROCESS = 1  # linux/ioprio.h
SYS_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}  # its number, as Python has no function for it


@dataclass(frozen=True)
class Targets:
    """Names what the grader has put up for the attempts to reach.

    Attributes:
        paths: Files and folders to be read and written.
        outside: A file of the probe's own, to be cut off, and to be changed in its mode, time and attributes.
        grader: Process id of the grader.
        threads: Ids of the grader's threads.
        port: Port of a TCP server on this machine.
        abstract: Name of a listening abstract socket, without the zero byte in front.
        shared: A file of the probe's own in /dev/shm.
    """

    paths: list[str]
    outside: str
    grader: int
    threads: list[int]
    port: int
    abstract: str
    shared: str


def succeeded(targets: Targets) -> list[str]:
    """Make all attempts, and return the names of those that no error prevented.

    The names do not tell whether attributes were changed, which only the grader can see (`_change_attributes`).
    """
    _change_attributes(targets.outside)
    found = []
    for what, attempt in _attempts(targets).items():
        try:
            attempt()
        except OSError:
            continue
        found.append(what)
    return found


def _attempts(targets: Targets) -> dict[str, Callable[[], Any]]:
    grader, port = targets.grader, targets.port
    files = {f"read {path}": partial(_read, path) for path in targets.paths}
    files |= {f"write {path}": partial(_write, path) for path in targets.paths}
    return files | {
        TCP: lambda: socket.create_connection(("127.0.0.1", port), timeout=1),
        ABSTRACT: lambda: socket.socket(socket.AF_UNIX).connect("\0" + targets.abstract),
        DATAGRAM: lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        OTHERS_MEMORY: lambda: _read(targets.shared),
        SIGNAL: lambda: _signal([grader, *targets.threads]),
        "cut a file off": lambda: os.truncate(targets.outside, 0),
        "read the grader's memory": lambda: _read(f"/proc/{grader}/mem"),
        "read the grader's environment": lambda: _read(f"/proc/{grader}/environ"),
        "see the grader's files": lambda: os.listdir(f"/proc/{grader}/fd"),
        "limit the grader": lambda: _limit(grader),
        "choose the grader's processors": lambda: os.sched_setaffinity(grader, os.sched_getaffinity(grader)),
        "schedule the grader": lambda: os.sched_setscheduler(grader, os.SCHED_OTHER, os.sched_param(0)),
        "slow the grader down": lambda: os.setpriority(0, grader, os.getpriority(0, grader)),
        "slow the grader's files down": lambda: _io_priority(grader),
        "open its requests anew": _open_pipes,
    }


def _read(path: str) -> None:
    if os.path.isdir(path):
        os.listdir(path)
    else:
        with open(path, "rb") as file:
            file.read(1)


def _write(path: str) -> None:
    with open(f"{path}/mp09-probe" if os.path.isdir(path) else path, "ab"):
        pass


def _change_attributes(path: str) -> None:
    """Try to change a file's mode, time and attributes.

    The calls may report success and do nothing, so it is for the grader to see whether anything has changed.
    """
    for change in (
        lambda: os.chmod(path, 0o600),
        lambda: os.utime(path, (0, 0)),
        lambda: os.setxattr(path, "user.mp09", b"probe"),
    ):
        try:
            change()
        except OSError:
            continue


def _signal(ids: list[int]) -> None:
    """Signal any one of these processes and threads: a signal to a thread reaches its process."""
    for this in ids:
        with suppress(OSError):
            os.kill(this, 0)
            return
    raise PermissionError("none of them")


def _limit(pid: int) -> None:
    """Set a limit of a process to the value that it has already."""
    import resource  # imported here, because Windows has no such module but imports this one

    resource.prlimit(pid, resource.RLIMIT_FSIZE, resource.prlimit(pid, resource.RLIMIT_FSIZE))


def _io_priority(pid: int) -> None:
    if libc().syscall(ctypes.c_long(SYS_IOPRIO_SET[os.uname().machine]), IOPRIO_WHO_PROCESS, pid, 0):
        raise failure("ioprio_set")


def _open_pipes() -> None:
    """Open one of this process's own pipes anew, by its name below /proc.

    Standard streams are left out. One of them is the log, which may be opened: the grader drains it without end.
    """
    for name in os.listdir("/proc/self/fd"):
        try:
            is_pipe = int(name) > 2 and stat.S_ISFIFO(os.fstat(int(name)).st_mode)
        except OSError:  # the descriptor that listed the folder is closed already
            continue
        if is_pipe:
            os.close(os.open(f"/proc/self/fd/{name}", os.O_RDWR | os.O_NONBLOCK))
            return
    raise OSError("there is none")
