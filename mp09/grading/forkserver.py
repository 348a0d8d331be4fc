"""The warm process: has imported torch, never touches a submission, and forks a worker for whoever holds its socket.

Started by `processes.Warm`. A request is one packet of JSON on the socket:

    {"fork": {...}}    with three descriptors: requests and replies, log, status   -> {"pid": int}
    {"look": [pid...]} what the worker and its processes hold of removed files -> {"held": see `held.held_files`}
    {"end": pid}       kills the worker and removes what it left behind            -> {"left": number of processes}

When a worker ends, its exit status is written to its status descriptor. A process whose parent is gone becomes a child
of this one; it was left behind by a worker, and is killed at once. When the socket closes, all workers end.
"""

import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mp09.grading import leftovers, worker
from mp09.grading.cgroup import MemoryGroup
from mp09.grading.held import UNSEEN, Held
from mp09.grading.isolation import Policy
from mp09.grading.isolation.confine import confine
from mp09.grading.isolation.kernel import LIBC
from mp09.grading.isolation.users import unused

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
POLL_S = 0.02
END_LIMIT_S = 45.0  # a fork bomb takes a while; with what is removed afterwards it stays below `rubric.START_LIMIT_S`
PACKET = 1 << 20


@dataclass
class Child:
    """What is remembered of a worker until it is ended.

    folder: its working folder; status: the descriptor that its exit status goes to, closed when it has ended by itself;
    user: the user id that it may take, None where workers can't have one; group: its memory control group.
    """

    folder: str
    status: int
    user: int | None
    group: MemoryGroup | None


class ForkServer:
    def __init__(self, control: socket.socket):
        self.control = control
        self.children: dict[int, Child] = {}  # all that were not ended yet
        self.running: set[int] = set()  # those that have not ended by themselves

    def serve(self) -> None:
        """Until the socket closes."""
        self._answer({"ready": True})
        while True:
            self._reap()
            if not select.select([self.control], [], [], POLL_S if self.running else None)[0]:
                continue
            packet, descriptors, *_ = socket.recv_fds(self.control, PACKET, 3)
            if not packet:
                break
            request = json.loads(packet)
            try:
                answer = self._answer_to(request, descriptors)
            except (OSError, ValueError) as error:
                answer = {"error": str(error)}
            self._answer(answer)
        for pid in list(self.children):
            self._end(pid)

    def _answer_to(self, request: dict, descriptors: list[int]) -> dict:
        if "fork" in request:
            return self._fork(request["fork"], descriptors)
        if "look" in request:
            return {"held": self._look(request["look"])}
        return self._end(request["end"])

    def _look(self, pids: list[int]) -> Held:
        child = self.children.get(pids[0]) if pids else None
        return leftovers.held_by(child.user, pids) if child and child.user is not None else UNSEEN

    def _answer(self, answer: dict) -> None:
        self.control.send(json.dumps(answer).encode())

    def _fork(self, plan: dict, descriptors: list[int]) -> dict:
        user = unused({child.user for child in self.children.values()})
        plan["policy"]["user"] = user
        pid = os.fork()
        if pid == 0:
            try:
                _become_worker(plan, descriptors[:2])
            except OSError as error:  # a layer of isolation is not to be had
                os.write(2, (error.strerror or str(error)).encode())
            finally:
                os._exit(1)
        for descriptor in descriptors[:2]:
            os.close(descriptor)
        self.children[pid] = Child(plan["folder"], descriptors[2], user, _group(plan))
        self.running.add(pid)
        return {"pid": pid}

    def _end(self, pid: int) -> dict:
        """Kill a worker, then what comes to us from it, until nothing comes any more; then remove what it left."""
        if pid not in self.children:
            return {"left": 0}
        child = self.children[pid]
        limit = time.monotonic() + END_LIMIT_S
        if child.user is not None:
            leftovers.kill_processes(child.user)
        if pid in self.running:
            os.kill(pid, signal.SIGKILL)
        while pid in self.running and time.monotonic() < limit:
            self._reap()
            time.sleep(0.001)
        while (strangers := self._reap()) and time.monotonic() < limit:
            time.sleep(0.001)
        if pid in self.running:
            return {"left": 1 + strangers}
        if child.user is not None:
            leftovers.remove_files(child.user, child.folder)
        if child.group:
            child.group.remove()
        del self.children[pid]
        return {"left": strangers}

    def _reap(self) -> int:
        """Report workers that ended, kill processes they left behind; returns the number of these."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == 0:
                break
            if pid in self.running:
                self.running.remove(pid)
                with suppress(OSError):  # nobody may wait for it any more
                    os.write(self.children[pid].status, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(self.children[pid].status)
        strangers = _children() - self.running
        for pid in strangers:
            os.kill(pid, signal.SIGKILL)
        return len(strangers)


def _children() -> set[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return {int(pid) for pid in file.read().split()}


def _become_worker(plan: dict, descriptors: list[int]) -> None:
    """In the child: the plan's folder, environment, standard streams and isolation; then serve requests."""
    os.setsid()
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    channel, log = descriptors
    for standard, descriptor in enumerate((channel, channel, log)):
        os.dup2(descriptor, standard)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(plan["folder"])
    os.environ.clear()
    os.environ.update(plan["environment"])
    tempfile.tempdir = None
    _first_to_go()
    if group := _group(plan):
        group.enter()
    confined = confine(Policy(**plan["policy"]))
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a new user id would clear it
    worker.main(plan["settings"], asdict(confined))


def _group(plan: dict) -> MemoryGroup | None:
    return MemoryGroup(Path(plan["group"])) if plan["group"] else None


def _first_to_go() -> None:
    """When memory runs out, the kernel ends this process before the grader."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def _warm() -> None:
    """What torch loads on first use.

    Nothing here may start threads, which a forked child would wait for forever, or look for a GPU, which a forked
    child could then not use: Adam is made, but takes no step.
    """
    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.zeros(1))
    weight.grad = torch.zeros(1)
    torch.optim.Adam([weight])
    torch.optim.SGD([weight], lr=0.0).step()


def main() -> None:
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the grader's to handle
    control = socket.socket(fileno=int(sys.argv[1]))
    _warm()
    ForkServer(control).serve()
