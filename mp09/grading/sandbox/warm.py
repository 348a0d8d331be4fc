"""Start the warm process, which has loaded torch already, fork workers from it, and end them (Linux only)."""

import os
import select
import signal
import socket
import subprocess
import tempfile
import threading

import psutil

from mp09.errors import GradingError
from mp09.grading import rubric
from mp09.grading.sandbox.held import Held, held_files
from mp09.grading.sandbox.packets import PACKET, End, Fork, Look, Request, WarmAnswer, answer_in, packed
from mp09.grading.sandbox.processes import inherited_environment, python_command

OPEN_FILES = 8192
# These make glibc keep up to 1 GiB of freed memory for the next batch, rather than fetch fresh pages for each batch.
KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


class Warm:
    """Holds the warm process (see `forkserver`) and the socket to it.

    The warm process ends, with all its workers, when this process does. `ask` sends it any request and returns the
    answer, or raises GradingError when it answers with an error or not at all.

    Attributes:
        pid: Id of the warm process.
        open_files: How many files a worker may have open.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (`close` closes it)
        self._process = subprocess.Popen(
            python_command("forkserver", str(theirs.fileno())),
            env=inherited_environment() | {"OMP_NUM_THREADS": "1"} | KEEP_FREED_MEMORY,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._complaints,
            start_new_session=True,
        )
        theirs.close()
        self.pid = self._process.pid
        self.open_files = _open_files_for_workers()
        self._control.settimeout(rubric.START_LIMIT_S)
        try:
            self._receive()
        except BaseException:
            self.close()
            raise

    def fork(self, plan: Fork) -> "Forked":
        """Start a worker.

        Requests and replies go through a socket. A pipe could be opened anew by its name below /proc, and be filled
        from the side that only the grader writes to.

        Args:
            plan: What the worker gets.

        Raises:
            GradingError: The warm process does not answer, or answers with an error.
        """
        ours, theirs = socket.socketpair()
        pipes = [os.pipe() for _ in range(2)]
        try:
            pid = self.ask(plan, [theirs.fileno(), *(write for _, write in pipes)]).pid
        except BaseException:
            ours.close()
            for read, _ in pipes:
                os.close(read)
            raise
        finally:
            theirs.close()
            for _, write in pipes:
                os.close(write)
        return Forked(self, pid, ours, *(read for read, _ in pipes))

    def look(self, pids: list[int]) -> Held:
        """Return `held_files` of a worker's processes, of which the worker itself is the first.

        If this process may not look into them, the warm process does so as their user.
        """
        try:
            return held_files(pids)
        except PermissionError:
            return self.ask(Look(pids)).held

    def count(self) -> int:
        """Return the number of processes below the warm one."""
        return len(psutil.Process(self._process.pid).children(recursive=True))

    def ask(self, request: Request, descriptors: list[int] | None = None) -> WarmAnswer:
        with self._lock:
            try:
                socket.send_fds(self._control, [packed(request)], descriptors or [])
            except OSError as error:
                raise self._gone() from error
            answer = self._receive()
        if answer.error is not None:
            raise GradingError(f"the process that workers are forked from: {answer.error}")
        return answer

    def close(self) -> None:
        self._control.close()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._complaints.close()

    def _receive(self) -> WarmAnswer:
        try:
            packet = self._control.recv(PACKET)
        except OSError as error:
            raise self._gone() from error
        if not packet:
            raise self._gone()
        return answer_in(packet)

    def _gone(self) -> GradingError:
        self._control.close()  # so that a late answer is not taken for that to another request
        self._complaints.seek(0)
        words = self._complaints.read()[-2000:].decode(errors="replace")
        return GradingError(f"the process that workers are forked from does not answer.\n{words}")


def _open_files_for_workers() -> int:
    """Return how many files a worker may have open, which is half of what this process may.

    The kernel counts descriptors that are on their way through sockets for a user as a whole. It lets a process send no
    more of them when they are more than it may have open, so workers of the grader's user must not use up what the
    grader needs. If this process's own limit is below `OPEN_FILES`, it is raised as far as the system allows.
    """
    import resource  # exists on Linux only, as `Warm` does

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
        soft = enough
    return OPEN_FILES // 2 if soft == resource.RLIM_INFINITY else min(OPEN_FILES, soft) // 2


class Forked:
    """Represents a worker that was forked from the warm process."""

    def __init__(self, warm: Warm, pid: int, channel: socket.socket, log: int, status: int):
        self._warm, self._status = warm, status
        self._code: int | None = None
        self.pid = pid
        self.requests, self.replies, self.log = channel.makefile("wb"), channel.makefile("rb"), os.fdopen(log, "rb")
        channel.close()  # takes effect when both streams are closed
        self._ended = select.poll()
        self._ended.register(status, select.POLLIN)

    def poll(self) -> int | None:
        return self.wait(0)

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code, which is negative for a signal, or None when the worker still runs after this time."""
        if self._code is None and self._status >= 0 and self._ended.poll(timeout_s * 1000):
            self._code = int(os.read(self._status, 16) or -signal.SIGKILL)
        return self._code

    def end(self) -> None:
        """Kill the worker and every process that it started, and wait until they are gone.

        Raises:
            GradingError: Some of the processes could not be ended.
        """
        if left := self._warm.ask(End(self.pid)).left:
            raise GradingError(f"{left} processes of a submission could not be ended.")
        if self._status >= 0:
            self.wait(5)
            os.close(self._status)
            self._status = -1
