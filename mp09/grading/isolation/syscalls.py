"""seccomp: system calls that a worker does without, and what it may do to other processes and their files.

Landlock does not cover a file's attributes, and a worker of the grader's own user may change those of every file of
that user. So there, and only there, calls that change attributes do nothing and report success: honest programs change
the mode of a copy or the time of a file in their cache, and go on whether it worked or not.
"""

import errno
import os
from collections.abc import Iterable

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
# Where each of these takes the process that it acts on: 0 for the caller itself, or an id.
ON_A_PROCESS = {
    **dict.fromkeys(("prlimit64", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"), 0),
    **dict.fromkeys(("setpriority", "ioprio_set"), 1),
}
ON_A_WHOLE_USER = {"setpriority": 2, "ioprio_set": 3}  # the first argument's value that means all processes of a user
# fcntl: who is signalled when a file is ready (F_SETOWN, F_SETOWN_EX), and who has to be asked before it is opened
FCNTL = (8, 15, 1024)
IOCTL = (0x8901, 0x8902)  # the same by ioctl: FIOSETOWN, SIOCSPGRP
SO_SNDBUF = 7  # how much may wait in a socket, which is counted by the number of sockets
# Marks of a file, such as "immutable", that its owner may set: FS_IOC_SETFLAGS, FS_IOC_SETVERSION (of 64 and 32 bits),
# FS_IOC_FSSETXATTR, FS_IOC_ENABLE_VERITY
MARKS = (0x40086602, 0x40046602, 0x40087602, 0x40047602, 0x401C5820, 0x40806685)
ATTRIBUTES = (
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat", "file_setattr"),
    *("setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr"),
    *("removexattrat",),
)
# Calls that libseccomp may be too old to know by name; the numbers are the same on all architectures.
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
INT = (1 << 32) - 1
NEGATIVE = 1 << 31


def deny(*, same_user: bool, unsignalled: Iterable[int] = (), truncates: bool = True) -> None:
    """Install the filter: calls on the list fail with EPERM; other system-call tables (x32, i386) end the process.

    same_user: whether files and processes of others belong to this process' user too; then attributes stay as they are.
    unsignalled: processes that no signal may be sent to; needed where Landlock does not see to it. truncates: whether
    a file may be cut off by its name or while it is opened for reading, which old versions of Landlock don't see.
    Raises OSError without libseccomp.
    """
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError) as error:  # the package, or libseccomp itself
        raise OSError(errno.ENOSYS, f"seccomp: {error}") from error
    rules, denied = seccomp.SyscallFilter(seccomp.ALLOW), seccomp.ERRNO(errno.EPERM)

    def add(action: int, call: str, *conditions) -> None:
        for name in (call, NUMBERS.get(call)):
            try:
                rules.add_rule(action, name, *conditions)
                return
            except (ValueError, TypeError, OSError):  # not on this architecture, or unknown to the library
                continue

    def low(argument: int, mask: int, value: int):
        """The kernel looks at the lower half of an int; the upper may hold anything."""
        return seccomp.Arg(argument, seccomp.MASKED_EQ, mask & INT, value & INT)

    for call in FORBIDDEN:
        add(denied, call)
    for call in ("socket", "socketpair"):
        add(denied, call, seccomp.Arg(0, seccomp.NE, 1))  # AF_UNIX
    for flag in CLONE_NAMESPACES:
        add(denied, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    add(seccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags can't be seen from here; libc falls back to clone
    for call, argument in ON_A_PROCESS.items():
        for mask, value in all_but(os.getpid()):
            add(denied, call, low(argument, mask, value))
    for call, kind in ON_A_WHOLE_USER.items():
        add(denied, call, low(0, INT, kind))
    for command in FCNTL:
        add(denied, "fcntl", low(1, INT, command))
    for command in (*IOCTL, *(MARKS if same_user else ())):
        add(denied, "ioctl", low(1, INT, command))
    add(seccomp.ERRNO(0), "setsockopt", low(2, INT, SO_SNDBUF))
    if unsignalled := list(unsignalled):
        for call in ("pidfd_send_signal", "tkill"):
            add(denied, call)
        for call in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            add(denied, call, low(0, NEGATIVE, NEGATIVE))  # groups, and everybody
            for pid in unsignalled:
                add(denied, call, low(0, INT, pid))
    if not truncates:
        add(denied, "truncate")
        add(seccomp.ERRNO(errno.ENOSYS), "openat2")  # its flags can't be seen from here
        for call, flags in (("open", 1), ("openat", 2)):
            add(denied, call, low(flags, os.O_TRUNC | os.O_ACCMODE, os.O_TRUNC))
    if same_user:
        for call in ATTRIBUTES:
            add(seccomp.ERRNO(0), call)
    rules.load()


def all_but(pid: int) -> list[tuple[int, int]]:
    """(mask, value) pairs: x & mask == value holds for one of them at least, for every 32-bit x but 0 and `pid`.

    libseccomp compares an argument once in a rule, so "neither 0 nor pid" takes several: a number differs from pid in a
    first bit from the top; below pid's own highest bit lie the small numbers, and each but 0 has a highest bit itself.
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
