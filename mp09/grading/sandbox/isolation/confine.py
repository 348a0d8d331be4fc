"""Put this process, which is about to load a submission, under a policy. Linux only."""

import errno
import os
import resource
from collections.abc import Iterable

from mp09.grading.sandbox.isolation import PROCESS, SANDBOXED, USER, Confined, Policy, landlock, mounts, syscalls, users
from mp09.grading.sandbox.isolation.kernel import failure, libc

PR_SET_NO_NEW_PRIVS = 38


def confine(policy: Policy) -> Confined:
    """Put this process under the policy, and return what is in force.

    Raises:
        OSError: The kernel, or a library that speaks to it, does not offer what the level needs. The process must then
            end.
    """
    limit(policy)
    own_memory = _own_shared_memory(policy)
    user = None if policy.user is None else _own_user(policy.user, policy)
    if user is None:
        users.give_up_capabilities()
    if policy.level == PROCESS:
        return Confined(user=user, own_shared_memory=own_memory)
    if policy.level == USER and user is None:
        raise OSError(errno.EPERM, "only root can take another user id")
    if libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise failure("no-new-privs")
    abi = 0
    if policy.level == SANDBOXED:
        abi = landlock.restrict(*(_there(paths) for paths in (policy.read, policy.write, policy.devices)))
    return Confined(abi, user, _seccomp(policy, user is None, abi), own_memory)


def limit(policy: Policy) -> None:
    """Set the policy's limits for this process and its children.

    RLIMIT_NPROC, which limits processes, does not bind root, even without capabilities. So what else root runs can't
    keep a worker from starting its processes, unless a container's root is an ordinary user of the machine.
    """
    for name, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, policy.file_bytes),
        (resource.RLIMIT_NOFILE, policy.open_files),
        (resource.RLIMIT_NPROC, policy.processes + _processes_of_user()),
    ):
        hard = resource.getrlimit(name)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(name, (limit, limit))


def _processes_of_user() -> int:
    """Count the threads that this user runs, as RLIMIT_NPROC does."""
    count = 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{entry.name}/task"))
        except OSError:
            continue
    return count


def _own_shared_memory(policy: Policy) -> bool:
    try:
        mounts.own_shared_memory(policy.shared_bytes, policy.files)
    except OSError:  # most containers do not allow it; the probe says what follows from that
        return False
    return True


def _own_user(user: int, policy: Policy) -> int | None:
    """Give up root for a user id of this worker's own, and return it.

    Where only root can read what is needed, one capability stays, to read it, and Landlock says what that may be. At
    level "user", which has no Landlock, this is an error. Where a container withholds that capability, as most do, this
    process stays user 0, without its powers, and None is returned.
    """
    needed = _there((*policy.read, *policy.write[1:]))
    closed = users.unreachable(user, needed, policy.write[0])
    if closed and policy.level == USER:
        raise OSError(errno.EACCES, f"{closed}: only root can read it, and submissions need it")
    if closed and not users.may_read_everything():
        return None
    users.become(user, policy.write[:1], read_everything=bool(closed))
    return user


def _seccomp(policy: Policy, same_user: bool, landlock_abi: int) -> bool:
    unsignalled = policy.outside if same_user and landlock_abi < landlock.SCOPED_ABI else ()
    truncates = not same_user or landlock_abi >= landlock.TRUNCATE_ABI
    try:
        syscalls.deny(same_user=same_user, unsignalled=unsignalled, truncates=truncates)
    except OSError:
        if policy.level == SANDBOXED:
            raise
        return False
    return True


def _there(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if os.path.exists(path)]
