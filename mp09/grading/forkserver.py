"""The warm process: has imported torch, never touches a submission, and forks a worker for whoever holds its socket.

Started by `processes.Warm`. A request is one packet of JSON on the socket:

    {"fork": {...}}    with four descriptors: requests, replies, log, status   -> {"pid": int}
    {"end": pid}       kills the worker and whatever it left behind            -> {"left": number of processes}

When a worker ends, its exit status is written to its status descriptor. A process whose parent is gone becomes a child
of this one; it was left behind by a worker, and is killed at once. When the socket closes, all workers end.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time

import torch

from mp09.grading import isolation, worker

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
POLL_S = 0.02
END_LIMIT_S = 60.0  # a fork bomb takes a while
PACKET = 1 << 20


class ForkServer:
    def __init__(self, control: socket.socket):
        self.control = control
        self.workers: dict[int, int] = {}  # process id -> descriptor that its exit status goes to

    def serve(self) -> None:
        """Until the socket closes."""
        self._answer({"ready": True})
        while True:
            self._reap()
            if not select.select([self.control], [], [], POLL_S if self.workers else None)[0]:
                continue
            packet, descriptors, *_ = socket.recv_fds(self.control, PACKET, 4)
            if not packet:
                break
            request = json.loads(packet)
            try:
                answer = self._end(request["end"]) if "end" in request else self._fork(request["fork"], descriptors)
            except (OSError, ValueError) as error:
                answer = {"error": str(error)}
            self._answer(answer)
        for pid in list(self.workers):
            self._end(pid)

    def _answer(self, answer: dict) -> None:
        self.control.send(json.dumps(answer).encode())

    def _fork(self, plan: dict, descriptors: list[int]) -> dict:
        pid = os.fork()
        if pid == 0:
            try:
                _become_worker(plan, descriptors[:3])
            except OSError as error:  # a layer of isolation is not to be had
                os.write(2, str(error).encode())
            finally:
                os._exit(1)
        for descriptor in descriptors[:3]:
            os.close(descriptor)
        self.workers[pid] = descriptors[3]
        return {"pid": pid}

    def _end(self, pid: int) -> dict:
        """Kill a worker, then what comes to us from it, until nothing comes any more."""
        limit = time.monotonic() + END_LIMIT_S
        user = _user(pid) if pid in self.workers else 0
        _kill_user(user)
        if pid in self.workers:
            os.kill(pid, signal.SIGKILL)
        while pid in self.workers and time.monotonic() < limit:
            self._reap()
            time.sleep(0.001)
        while (left := self._reap()) and time.monotonic() < limit:
            time.sleep(0.001)
        _clear_shared_memory(user)
        return {"left": left}

    def _reap(self) -> int:
        """Report workers that ended, kill processes they left behind; returns the number of these."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == 0:
                break
            if pid in self.workers:
                descriptor = self.workers.pop(pid)
                os.write(descriptor, str(os.waitstatus_to_exitcode(status)).encode())
                os.close(descriptor)
        strangers = _children() - self.workers.keys()
        for pid in strangers:
            os.kill(pid, signal.SIGKILL)
        return len(strangers)


def _user(pid: int) -> int:
    """Real user id. (The owner of /proc/<pid> would be root: a process that changed its user is not dumpable.)

    The first line holds a name that the process chooses; the kernel escapes in it what ends a line, and only that.
    """
    with open(f"/proc/{pid}/status", "rb") as file:
        return int(next(line for line in file.read().split(b"\n") if line.startswith(b"Uid:\t")).split()[1])


def _kill_user(user: int) -> None:
    """Kill all processes of a worker's own user at once, so that none can fork meanwhile."""
    if not isolation.is_worker_user(user):
        return
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(user, user, user)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _clear_shared_memory(user: int) -> None:
    """Remove what a worker's own user left in /dev/shm."""
    if not isolation.is_worker_user(user):
        return
    for entry in os.scandir("/dev/shm"):
        if entry.stat(follow_symlinks=False).st_uid == user:
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)


def _children() -> set[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return {int(pid) for pid in file.read().split()}


def _become_worker(plan: dict, descriptors: list[int]) -> None:
    """In the child: the plan's folder, environment, standard streams and isolation; then serve requests."""
    os.setsid()
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    os.chdir(plan["folder"])
    os.environ.clear()
    os.environ.update(plan["environment"])
    tempfile.tempdir = None
    _first_to_go()
    policy = isolation.Policy(**plan["policy"] or {})
    isolation.limit(policy)
    isolated = isolation.confine(policy) if plan["policy"] else {}
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a new user id would clear it
    worker.main(plan["settings"], isolated)


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
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the grader's to handle
    control = socket.socket(fileno=int(sys.argv[1]))
    _warm()
    ForkServer(control).serve()
