"""Run the warm process, which has imported torch, never touches a submission, and forks a worker when it is asked to.

`warm.Warm` starts it and asks it through a socket, with the requests of `packets`. Its first answer, which belongs
to no request, says that torch is loaded.

When a worker ends, its exit code is written to its status descriptor. A process whose parent is gone becomes a child of
this one. A worker must have left it behind, so it is killed at once. When the socket closes, all workers are ended.
"""

import os
import select
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mp09.grading.sandbox import leftovers, worker
from mp09.grading.sandbox.cgroup import MemoryGroup
from mp09.grading.sandbox.held import UNSEEN, Held
from mp09.grading.sandbox.isolation import syscalls
from mp09.grading.sandbox.isolation.confine import confine
from mp09.grading.sandbox.isolation.kernel import libc
from mp09.grading.sandbox.isolation.users import unused
from mp09.grading.sandbox.packets import PACKET, Fork, Look, Request, WarmAnswer, packed, request_in

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
POLL_S = 0.02
# Ending a fork bomb takes a while. With the removal of its files afterwards (`leftovers.LIMIT_S`) it takes less than
# `rubric.START_LIMIT_S`, for which the grader waits.
END_LIMIT_S = 45.0
STOP_LIMIT_S = 5.0
# Kernels without CONFIG_PROC_CHILDREN don't have this file. It takes longer to go through all processes instead.
LISTS_CHILDREN = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


@dataclass
class Child:
    """Holds what is remembered of a worker until it is ended.

    Attributes:
        folder: Its working folder.
        status: The descriptor that its exit code is written to. It is closed when the worker's process is gone.
        user: The user id that it may take; None where workers can't have one of their own.
        group: Its memory control group; None where there is none.
    """

    folder: str
    status: int
    user: int | None
    group: MemoryGroup | None


class ForkServer:
    def __init__(self, control: socket.socket):
        self.control = control
        self.children: dict[int, Child] = {}  # all workers that the grader has not ended yet
        self.running: set[int] = set()  # those of them whose process is not gone yet

    def serve(self) -> None:
        """Answer requests until the socket closes, then end all workers."""
        self._answer(WarmAnswer())
        while True:
            self._reap()
            if not select.select([self.control], [], [], POLL_S if self.running else None)[0]:
                continue
            packet, descriptors, *_ = socket.recv_fds(self.control, PACKET, 3)
            if not packet:
                break
            try:
                answer = self._answer_to(request_in(packet), descriptors)
            except (OSError, ValueError) as error:
                answer = WarmAnswer(error=str(error))
            self._answer(answer)
        for pid in list(self.children):
            self._end(pid)

    def _answer_to(self, request: Request, descriptors: list[int]) -> WarmAnswer:
        if isinstance(request, Fork):
            return WarmAnswer(pid=self._fork(request, descriptors))
        if isinstance(request, Look):
            return WarmAnswer(held=self._look(request.pids))
        return WarmAnswer(left=self._end(request.pid))

    def _look(self, pids: list[int]) -> Held:
        child = self.children.get(pids[0]) if pids else None
        return leftovers.held_by(child.user, pids) if child and child.user is not None else UNSEEN

    def _answer(self, answer: WarmAnswer) -> None:
        self.control.send(packed(answer))

    def _fork(self, plan: Fork, descriptors: list[int]) -> int:
        user = unused({child.user for child in self.children.values()})
        pid = os.fork()
        if pid == 0:
            try:
                _become_worker(plan, user, descriptors[:2])
            except OSError as error:  # this machine lacks a layer of isolation
                os.write(2, (error.strerror or str(error)).encode())
            finally:
                os._exit(1)
        for descriptor in descriptors[:2]:
            os.close(descriptor)
        self.children[pid] = Child(plan.folder, descriptors[2], user, _group(plan))
        self.running.add(pid)
        return pid

    def _end(self, pid: int) -> int:
        """Kill a worker, and then the processes that come to this one from it, until no more come.

        After that, remove the files and the memory control group that it left. Return the number of processes that are
        still there when the time limit is over.
        """
        if pid not in self.children:
            return 0
        child = self.children[pid]
        limit = time.monotonic() + END_LIMIT_S
        if pid in self.running:
            self._kill({pid}, limit)
        while pid in self.running and time.monotonic() < limit:
            self._reap()
            time.sleep(0.001)
        while (strangers := self._reap()) and time.monotonic() < limit:
            if child.user is not None:
                leftovers.kill_processes(child.user)
            time.sleep(0.001)
        if pid in self.running:
            return 1 + strangers
        if child.user is not None:
            leftovers.remove_files(child.user, child.folder)
        if child.group:
            child.group.remove()
        del self.children[pid]
        return strangers

    def _reap(self) -> int:
        """Report workers that ended, kill the processes that they left behind, and return how many these are."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == 0:
                break
            if pid in self.running:
                self.running.remove(pid)
                with suppress(OSError):  # perhaps nobody waits for it any more
                    os.write(self.children[pid].status, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(self.children[pid].status)
        strangers = _children(os.getpid()) - self.running
        self._kill(strangers, time.monotonic() + STOP_LIMIT_S)
        return len(strangers)

    def _kill(self, pids: set[int], limit: float) -> None:
        """Kill children of this process, and all that come from them if these have no user of their own.

        Those are stopped first, until none is new or the time is over. A process that is stopped can't fork, but still
        counts in the user's limit on processes, so even a fork bomb comes to rest. Processes that are killed one by one
        make room for others.
        """
        if any(child.user is None for child in self.children.values()):
            stopped: set[int] = set()
            while (new := _with_descendants(pids) - stopped) and time.monotonic() < limit:
                _send(signal.SIGSTOP, new)
                stopped |= new
            pids = pids | stopped
        _send(signal.SIGKILL, pids)


def _send(number: signal.Signals, pids: set[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(pid: int) -> set[int]:
    """Return the ids of a process's children, those of all its threads; none when it is gone."""
    if not LISTS_CHILDREN:
        return {int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == pid}
    found: set[int] = set()
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as file:
                found.update(map(int, file.read().split()))
    return found


def _parent(pid: str) -> int | None:
    """Return the id of a process's parent, or None when the process is gone."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        return next((int(line.split()[1]) for line in file if line.startswith(b"PPid:")), None)
    return None


def _with_descendants(pids: set[int]) -> set[int]:
    """Return these processes and all that come from them."""
    found: set[int] = set()
    while pids:
        found |= pids
        pids = {child for pid in pids for child in _children(pid)} - found
    return found


def _become_worker(plan: Fork, user: int | None, descriptors: list[int]) -> None:
    """Take the plan's folder, environment, standard streams and isolation in the child, then serve requests."""
    os.setsid()
    libc().prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    channel, log = descriptors
    for standard, descriptor in enumerate((channel, channel, log)):
        os.dup2(descriptor, standard)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(plan.folder)
    os.environ.clear()
    os.environ.update(plan.environment)
    tempfile.tempdir = None
    _first_to_go()
    if group := _group(plan):
        group.enter()
    confined = confine(replace(plan.policy, user=user))
    libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # comes last, because a new user id would clear it
    worker.main(plan.settings, confined)


def _group(plan: Fork) -> MemoryGroup | None:
    return MemoryGroup(Path(plan.group)) if plan.group else None


def _first_to_go() -> None:
    """Make the kernel end this process before the grader when memory runs out."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def _warm() -> None:
    """Let torch load what it would load on first use, and load libseccomp, whose search takes longer than a fork.

    Nothing here may start threads, which a forked child would wait for forever, or look for a GPU, which a forked child
    could then not use. That is why Adam is made but takes no step.
    """
    with suppress(OSError):  # without it, the levels that need it are refused when a worker starts
        syscalls.library()
    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    torch.optim.Adam([weight])
    torch.optim.SGD([weight], lr=0.0).step()


def main() -> None:
    libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the grader handles Ctrl-C
    control = socket.socket(fileno=int(sys.argv[1]))
    _warm()
    ForkServer(control).serve()
