"""Take system calls away from a worker, by seccomp: what it does without, and what acts on other processes and files.

Landlock does not cover a file's attributes, and a worker of the grader's own user may change those of every file of
that user. So there, and only there, calls that change attributes do nothing and report success. Honest programs change
the mode of a copy, or the time of a file in their cache, and go on whether it worked or not.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import NamedTuple

FORBIDDEN = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "perf_event_open", "bpf"),
    *("userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key"),
    *("memfd_create", "memfd_secret", "shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl"),
    *("semget", "semop", "semctl", "mq_open", "mq_unlink"),
    *("mount", "umount2", "pivot_root", "chroot", "mount_setattr", "move_mount", "open_tree", "open_tree_attr"),
    *("fsopen", "fsmount", "fsconfig", "fspick", "unshare", "setns", "open_by_handle_at", "name_to_handle_at"),
    *("personality", "modify_ldt", "iopl", "ioperm", "process_madvise", "process_mrelease", "move_pages"),
    *("acct", "syslog", "quotactl", "quotactl_fd", "swapon", "swapoff", "reboot", "migrate_pages"),
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname"),
)
CLONE_NAMESPACES = (0x00000080, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
# Each of these calls acts on a process, and has that process's id, or 0 for the caller itself, in this argument.
ON_A_PROCESS = {
    **dict.fromkeys(("prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"), 0),
    **dict.fromkeys(("setpriority", "ioprio_set"), 1),
}
ON_A_WHOLE_USER = {"setpriority": 2, "ioprio_set": 3}  # this first argument means all processes of a user
# fcntl sets who is signalled when a file is ready (F_SETOWN, F_SETOWN_EX), and who has to be asked before it is opened
# (F_SETLEASE).
FCNTL = (8, 15, 1024)
IOCTL = (0x8901, 0x8902)  # ioctl sets the same: FIOSETOWN, SIOCSPGRP
SO_SNDBUF = 7  # how much may wait in a socket; `usage` counts sockets and takes the default for each
# A file's owner may set marks of it, such as "immutable", by these: FS_IOC_SETFLAGS and FS_IOC_SETVERSION (each of 64
# and 32 bits), FS_IOC_FSSETXATTR, FS_IOC_ENABLE_VERITY.
MARKS = (0x40086602, 0x40046602, 0x40087602, 0x40047602, 0x401C5820, 0x40806685)
ATTRIBUTES = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat", "file_setattr"),
    *("setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr"),
    *("removexattrat",),
)
# Libseccomp may be too old to know these calls by name. Their numbers are the same on all architectures.
NUMBERS = {
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "fchmodat2": 452,
    "setxattrat": 463,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_setattr": 469,
}
AF_UNIX = 1
INT = (1 << 32) - 1
NEGATIVE = 1 << 31


class Rule(NamedTuple):
    """One line of the filter.

    Attributes:
        call: The name of the system call.
        error: What it answers instead of doing anything; 0 lets it seem to succeed.
        argument, mask, value: It answers so only when the argument of this number, masked, has this value. Without a
            mask it always does.
    """

    call: str
    error: int = errno.EPERM
    argument: int = 0
    mask: int = 0
    value: int = 0


def library() -> ModuleType:
    """Return the package that speaks to libseccomp.

    Raises:
        OSError: libseccomp, or this package, is missing.
    """
    try:
        import pyseccomp
    except (ImportError, RuntimeError) as error:  # the package is missing, or libseccomp itself
        raise OSError(errno.ENOSYS, f"seccomp: {error}") from error
    return pyseccomp


def deny(*, same_user: bool, unsignalled: Iterable[int] = (), truncates: bool = True) -> None:
    """Install the filter.

    Forbidden calls fail with EPERM, or with ENOSYS where programs then fall back to an older call. Calls from other
    system-call tables (x32, i386) end the process.

    Args:
        same_user: Whether files and processes of others belong to this process's user, too. Then calls that change
            attributes report success and do nothing.
        unsignalled: Ids of processes that no signal may be sent to. This is needed where Landlock does not see to it.
        truncates: Whether a file may be cut off by its name or while it is opened for reading, which old versions of
            Landlock don't see.

    Raises:
        OSError: libseccomp, or the package that speaks to it, is missing.
    """
    seccomp = library()
    rules = [*_always(), *_on_processes(os.getpid()), *_on_signals(list(unsignalled))]
    rules += [] if truncates else _on_truncation()
    rules += _on_attributes() if same_user else []
    installed = seccomp.SyscallFilter(seccomp.ALLOW)
    for rule in rules:
        conditions = [seccomp.Arg(rule.argument, seccomp.MASKED_EQ, rule.mask, rule.value)] if rule.mask else []
        for name in (rule.call, NUMBERS.get(rule.call)):
            try:
                installed.add_rule(seccomp.ERRNO(rule.error), name, *conditions)
                break
            except (ValueError, TypeError, OSError):  # this architecture or the library does not have it
                continue
    for call in ("socket", "socketpair"):
        installed.add_rule(seccomp.ERRNO(errno.EPERM), call, seccomp.Arg(0, seccomp.NE, AF_UNIX))
    installed.load()


def _low(call: str, argument: int, value: int, *, mask: int = INT, error: int = errno.EPERM) -> Rule:
    """Compare the lower half of an argument, as the kernel does with an int; the upper may hold anything."""
    return Rule(call, error, argument, mask & INT, value & mask & INT)


def _always() -> Iterator[Rule]:
    yield from map(Rule, FORBIDDEN)
    yield from (Rule("clone", argument=0, mask=flag, value=flag) for flag in CLONE_NAMESPACES)
    yield Rule("clone3", errno.ENOSYS)  # a filter can't see its flags; libc falls back to clone
    yield from (_low("fcntl", 1, command) for command in FCNTL)
    yield from (_low("ioctl", 1, command) for command in IOCTL)
    yield _low("setsockopt", 2, SO_SNDBUF, error=0)


def _on_processes(own: int) -> Iterator[Rule]:
    """Deny what acts on another process than the caller, or on all of a user."""
    for call, argument in ON_A_PROCESS.items():
        yield from (_low(call, argument, value, mask=mask) for mask, value in all_but(own))
    yield from (_low(call, 0, kind) for call, kind in ON_A_WHOLE_USER.items())


def _on_signals(unsignalled: list[int]) -> Iterator[Rule]:
    if not unsignalled:
        return
    yield from map(Rule, ("pidfd_send_signal", "tkill"))
    for call in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        yield _low(call, 0, NEGATIVE, mask=NEGATIVE)  # negative ids mean a group of processes, or everybody
        yield from (_low(call, 0, pid) for pid in unsignalled)


def _on_truncation() -> Iterator[Rule]:
    yield Rule("truncate")
    yield Rule("openat2", errno.ENOSYS)  # a filter can't see its flags
    for call, flags in (("open", 1), ("openat", 2)):
        yield _low(call, flags, os.O_TRUNC, mask=os.O_TRUNC | os.O_ACCMODE)


def _on_attributes() -> Iterator[Rule]:
    """Let changes of a file's mode, owner, times and attributes seem to succeed, and deny marks such as "immutable"."""
    yield from (Rule(call, 0) for call in ATTRIBUTES)
    yield from (_low("ioctl", 1, command) for command in MARKS)


def all_but(pid: int) -> list[tuple[int, int]]:
    """Return pairs (mask, value) that together match every 32-bit number but 0 and `pid`.

    A number x matches a pair when x & mask == value. Libseccomp compares an argument once in a rule, so "neither 0 nor
    pid" takes several. Seen from the top, a number that is not pid differs from it in a first bit. If that is pid's own
    highest bit, the number is a small one, and each of these but 0 has a highest bit itself.
    """
    pairs = []
    for bit in range(32):
        above = INT << (bit + 1) & INT
        if not pid >> bit & 1:
            pairs.append((above | 1 << bit, pid & above | 1 << bit))
        elif pid & above:
            pairs.append((above | 1 << bit, pid & above))
        else:
            pairs += [(INT << lower & INT, 1 << lower) for lower in range(bit)]
    return pairs
