"""The kernel holds a worker: what it may read, write, reach, signal and spend. Linux only; nothing here needs root.

`confine` is called in the worker before a submission is loaded. It can't be undone, and children inherit it:

    user           as root: an unused user id of its own, and no capabilities
    rlimits        processes, file size, open files, no core dumps; first in line when memory runs out
    no-new-privs   setuid programs give nothing
    Landlock       reads only Python, the data and the working copy; writes only the working copy and /dev/shm;
                   no TCP; from ABI 6 no signals and no abstract sockets to the outside
    seccomp        no sockets but local ones, no ptrace and other processes' memory, no namespaces and mounts, ...

Does not cover: sockets that have a path and that this user may open, time and memory (`sandbox` watches those).
"""

import ctypes
import errno
import os
import resource
import struct
from collections.abc import Iterable
from dataclasses import dataclass

LIBC = ctypes.CDLL(None, use_errno=True)

# linux/prctl.h, linux/capability.h
PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 24, 38, 47, 2
CAP_DAC_READ_SEARCH = 2
CAPABILITY_VERSION_3 = 0x20080522

# linux/landlock.h: access to files, by the ABI version that brought it
READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read file, read folder
FILE_ONLY = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # execute, write, read, truncate, ioctl
ACCESS_OF_ABI = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
DEVICE_NODES = 1 << 6 | 1 << 11  # make character and block devices: nobody may
TCP, SCOPES = 0b11, 0b11  # bind and connect (ABI 4); abstract sockets and signals (ABI 6)
SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT = 444, 445, 446  # the same on all architectures
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}

# User ids that no distribution hands out: one for every process id there can be; few, where ids have only 16 bits.
USER_IDS = (range(1_879_048_192, 1_879_048_192 + (1 << 22)), range(61_184, 65_184))

FORBIDDEN = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "perf_event_open", "bpf"),
    *("userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key"),
    *("memfd_create", "memfd_secret", "shmget", "shmat", "msgget", "semget", "mq_open"),
    *("mount", "umount2", "pivot_root", "chroot", "mount_setattr", "move_mount", "open_tree"),
    *("fsopen", "fsmount", "fsconfig", "fspick", "unshare", "setns", "open_by_handle_at", "name_to_handle_at"),
    *("personality", "modify_ldt", "iopl", "ioperm"),
    *("acct", "syslog", "quotactl", "swapon", "swapoff", "reboot"),
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname"),
)
CLONE_NAMESPACES = (0x00000080, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)


def is_worker_user(user: int) -> bool:
    """Whether a user id is one of those that workers take."""
    return any(user in ids for ids in USER_IDS)


@dataclass(frozen=True)
class Policy:
    """What a worker may do. Paths that do not exist are skipped.

    read: files and folders with all below them; write: folders, readable too; devices: files to read, write and
    control; processes: at most so many, threads included, besides those that the user has already.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    processes: int = 256
    file_bytes: int = 1 << 30
    open_files: int = 4096


def confine(policy: Policy) -> dict:
    """Put this process under the policy. Returns {"landlock_abi": int, "user": its own, or None}.

    Raises OSError when the kernel, or a library that speaks to it, does not offer a layer; the process must then end.
    """
    own_user = _become_nobody(policy) if os.geteuid() == 0 else False
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise _error("no-new-privs")
    abi = _landlock(policy)
    _seccomp()
    return {"landlock_abi": abi, "user": os.getuid() if own_user else None}


def limit(policy: Policy) -> None:
    """Set the policy's limits for this process and its children. RLIMIT_NPROC does not bind root."""
    processes = policy.processes + _processes_of_user()
    for name, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, policy.file_bytes),
        (resource.RLIMIT_NOFILE, policy.open_files),
        (resource.RLIMIT_NPROC, processes),
    ):
        hard = resource.getrlimit(name)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(name, (limit, limit))


def _processes_of_user() -> int:
    """Threads that this user runs: what RLIMIT_NPROC counts."""
    count = 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{entry.name}/task"))
        except OSError:
            continue
    return count


def _become_nobody(policy: Policy) -> bool:
    """Give up root. Returns whether this process has a user of its own now.

    One capability stays where it is needed, to read what only root could read; Landlock says what that may be. Where
    that can't be kept, as in a container, this stays user 0, without its powers.
    """
    for capability in range(64):
        if capability != CAP_DAC_READ_SEARCH:
            LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    LIBC.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    user = _user_to_be()
    usable = user and _usable_by(user, _there((*policy.read, *policy.write[1:])), policy.write[0])
    if user and (usable or CAP_DAC_READ_SEARCH in _capabilities()):
        os.chown(policy.write[0], user, user)
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        _set_capabilities(() if usable else (CAP_DAC_READ_SEARCH,))
        LIBC.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH, 0, 0)
        return True
    _set_capabilities(())
    return False


def _user_to_be() -> int | None:
    """A user id that nobody has; None where this process can't take one."""
    for ids in USER_IDS:
        user = ids[os.getpid() % len(ids)]
        try:
            os.setresuid(-1, user, -1)
        except OSError:
            continue
        os.setresuid(-1, 0, -1)
        return user
    return None


def _usable_by(user: int, paths: list[str], folder: str) -> bool:
    """Whether a user can read the paths, and pass through to the folder, which will be its own."""
    os.setresgid(-1, user, -1)
    os.setresuid(-1, user, -1)
    try:
        return all(os.access(path, os.R_OK, effective_ids=True) for path in paths) and os.path.exists(folder)
    finally:
        os.setresuid(-1, 0, -1)
        os.setresgid(-1, 0, -1)


def _capabilities() -> set[int]:
    """The permitted ones of this process."""
    with open("/proc/self/status", "rb") as file:
        line = next(line for line in file.read().split(b"\n") if line.startswith(b"CapPrm:"))
    bits = int(line.split()[1], 16)
    return {capability for capability in range(64) if bits >> capability & 1}


def _set_capabilities(kept: Iterable[int]) -> None:
    """Only these, in all of the effective, permitted and inheritable sets."""
    bits = sum(1 << capability for capability in kept)
    header = struct.pack("<Ii", CAPABILITY_VERSION_3, 0)
    data = struct.pack("<6I", *(bits,) * 3, 0, 0, 0)
    if LIBC.syscall(SYS_CAPSET[os.uname().machine], header, data):
        raise _error("capset")


def landlock_abi() -> int:
    """The kernel's version of Landlock; 0 where there is none."""
    return max(0, LIBC.syscall(SYS_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1)))


def _landlock(policy: Policy) -> int:
    if not (abi := landlock_abi()):
        raise OSError(errno.EOPNOTSUPP, "Landlock: this kernel has none")
    every = sum(access for since, access in ACCESS_OF_ABI.items() if since <= abi)
    attributes = struct.pack("<QQQ", every, TCP, SCOPES)[: 24 if abi >= 6 else 16 if abi >= 4 else 8]
    ruleset = LIBC.syscall(SYS_LANDLOCK_CREATE, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    if ruleset < 0:
        raise _error("Landlock ruleset")
    for paths, access in ((policy.read, READ), (policy.write, every & ~DEVICE_NODES), (policy.devices, FILE_ONLY)):
        for path in _there(paths):
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = access & every & (-1 if os.path.isdir(path) else FILE_ONLY)
            rule = struct.pack("<Qi", allowed, beneath)
            failed = LIBC.syscall(SYS_LANDLOCK_ADD, ruleset, ctypes.c_uint32(1), rule, ctypes.c_uint32(0))
            os.close(beneath)
            if failed:
                raise _error(f"Landlock rule for {path}")
    if LIBC.syscall(SYS_LANDLOCK_RESTRICT, ruleset, ctypes.c_uint32(0)):
        raise _error("Landlock")
    os.close(ruleset)
    return abi


def _seccomp() -> None:
    """A deny list: what is on it fails with EPERM; other system-call tables (x32, i386) end the process."""
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError) as error:  # the package, or libseccomp itself
        raise OSError(errno.ENOSYS, f"seccomp: {error}") from error
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    for name in FORBIDDEN:
        try:
            rules.add_rule(seccomp.ERRNO(errno.EPERM), name)
        except (ValueError, OSError):  # unknown on this architecture, or to this version of the library
            continue
    denied = seccomp.ERRNO(errno.EPERM)
    for call in ("socket", "socketpair"):
        rules.add_rule(denied, call, seccomp.Arg(0, seccomp.NE, 1))  # AF_UNIX
    for flag in CLONE_NAMESPACES:
        rules.add_rule(denied, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags can't be seen from here; libc falls back to clone
    rules.load()


def _there(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if os.path.exists(path)]


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
