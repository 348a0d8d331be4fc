"""Runs the worker: its own process, session and working folder, a scrubbed environment, limits, and a complete end.

Level "process": keeps a submission's accidents (hang, crash, memory, endless output) away from the grader. It is not a
security boundary: the submission runs as the same user and can read what that user can read.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from mp09.errors import GradingError, ProtocolError
from mp09.grading import protocol, rubric

LEVEL = "process"
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
# The folder of this package is on the path only while the worker's own modules are loaded: the reference lies in it.
BOOT = "import sys; sys.path[0] = sys.argv.pop(1); from mp09.grading.worker import main; del sys.path[0]; main()"
# What Python and CUDA need from the environment; nothing else is passed on.
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
POLL_S = 0.1


class WorkerEnded(Exception):  # noqa: N818 (an event, not always an error)
    """The worker is gone: `kind` is "died", "time", "memory" or "protocol"; the message says it in words."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Settings:
    """How workers run. device: "auto", "cpu" or "cuda"; threads: of torch; seed: set before every request."""

    device: str = "auto"
    threads: int = 1
    seed: int = 42
    memory_mib: int = rubric.MEMORY_LIMIT_MIB


class Worker:
    """One worker process in `folder`. Use as a context manager, or call `close`."""

    def __init__(self, folder: Path, settings: Settings):
        self._token = uuid.uuid4().hex
        self._memory = min(settings.memory_mib << 20, int(0.8 * psutil.virtual_memory().total))
        self._log = bytearray()
        self._replies: queue.Queue = queue.Queue(maxsize=4)
        arguments = json.dumps({"seed": settings.seed, "threads": settings.threads})
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-u", "-c", BOOT, str(PACKAGE_ROOT), arguments],
            cwd=folder,
            env=_environment(folder, settings, self._token),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        for target in (self._read_replies, self._read_log):
            threading.Thread(target=target, daemon=True).start()
        try:
            self.about = self.request("about", timeout_s=rubric.START_LIMIT_S).fields
        except WorkerEnded as error:  # no submission is loaded yet: this is ours
            self.close()
            raise GradingError(f"the worker could not start: {error}\n{self.log}") from error

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    @property
    def log(self) -> str:
        """The last part of what the worker printed."""
        return bytes(self._log).decode(errors="replace")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def request(
        self, operation: str, *, timeout_s: float, waiting: Callable[[float], None] | None = None, **fields: Any
    ) -> protocol.Message:
        """Send one request and wait for its reply; `waiting(seconds)` is called while it lasts.

        Raises WorkerEnded when the worker dies, or is ended because it exceeds its time or memory or answers nonsense.
        """
        identity = uuid.uuid4().hex
        started = time.monotonic()
        try:
            protocol.write(self._process.stdin, protocol.Message(identity, {"operation": operation, **fields}))
        except OSError:
            pass  # the end is reported below, with its reason
        while True:
            try:
                reply = self._replies.get(timeout=POLL_S)
                break
            except queue.Empty:
                passed = time.monotonic() - started
                self._check(passed, timeout_s)
                if waiting:
                    waiting(passed)
        if isinstance(reply, ProtocolError) or (reply is not None and reply.id != identity):
            raise self._end("protocol", f"an answer that was not asked for came ({reply})"[:300])
        if reply is None:
            raise self._end("died", self._last_words())
        return reply

    def close(self) -> None:
        """End the worker and every process that it started, and wait until they are gone."""
        for process in self._family():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        if hasattr(os, "killpg"):
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        self._process.kill()
        self._process.wait()
        psutil.wait_procs(self._family(), timeout=5)

    def _check(self, passed: float, timeout_s: float) -> None:
        if passed > timeout_s:
            raise self._end("time", f"no answer within {timeout_s:.0f} s")
        if (used := _memory_bytes(self._process.pid)) > self._memory:
            raise self._end("memory", f"{used >> 20} MiB of memory used, {self._memory >> 20} allowed")

    def _end(self, kind: str, message: str) -> WorkerEnded:
        self.close()
        return WorkerEnded(kind, message)

    def _last_words(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its connection"
        if code >= 0:
            return f"it ended with exit code {code}"
        names = {number.value: number.name for number in signal.Signals}
        return f"it was ended by signal {names.get(-code, -code)}"

    def _family(self) -> list[psutil.Process]:
        """Descendants, and processes that left the tree but still carry our token in their environment."""
        family = {}
        for process in psutil.process_iter():
            try:
                if process.environ().get("MP09_WORKER") == self._token:
                    family[process.pid] = process
            except psutil.Error:
                continue
        try:
            family |= {child.pid: child for child in psutil.Process(self._process.pid).children(recursive=True)}
        except psutil.NoSuchProcess:
            pass
        return list(family.values())

    def _read_replies(self) -> None:
        try:
            while message := protocol.read(self._process.stdout):
                self._replies.put(message)
        except (ProtocolError, ValueError, OSError) as error:
            self._replies.put(error if isinstance(error, ProtocolError) else ProtocolError(str(error)))
        self._replies.put(None)

    def _read_log(self) -> None:
        """Drain what is printed, without end if need be, and keep only the last part."""
        stream = self._process.stderr
        while block := stream.read1(1 << 16):
            self._log += block
            del self._log[: -rubric.LOG_LIMIT]


def arrays_of(message: protocol.Message, prefix: str, count: int) -> list[np.ndarray | None]:
    """The arrays prefix0, prefix1, ... of a reply; None for each that is not there."""
    return [message.arrays.get(f"{prefix}{i}") for i in range(count)]


def _environment(folder: Path, settings: Settings, token: str) -> dict[str, str]:
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    home = str(folder)
    threads = str(settings.threads)
    environment |= {"HOME": home, "TMPDIR": home, "TEMP": home, "TMP": home, "MPLBACKEND": "Agg", "MP09_WORKER": token}
    environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}  # the order of sets is part of a result
    if settings.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment


def _memory_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants."""
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
    except psutil.Error:
        pass
    return total
