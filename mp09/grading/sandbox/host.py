"""Ask a worker, watch its limits, and end it: this is the grader's side of the conversation."""

import os
import queue
import signal
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from mp09.errors import GradingError, ProtocolError
from mp09.grading import replies, rubric
from mp09.grading.sandbox import protocol
from mp09.grading.sandbox.conversation import ABOUT, About, Ending, Question
from mp09.grading.sandbox.processes import Spawned
from mp09.grading.sandbox.usage import Meter, family
from mp09.grading.sandbox.warm import Forked

POLL_S = 0.1
DISK_POLL_S = 1.0


class WorkerEnded(Exception):  # noqa: N818 (an event, not always an error)
    """Tells in words why a worker is gone.

    Attributes:
        kind: What ended it.
    """

    def __init__(self, kind: Ending, message: str):
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Limits:
    """Limits the memory and the files on disk that a worker may use, with all its processes."""

    memory_bytes: int
    disk_bytes: int


class Worker:
    """Represents one worker process. Use it as a context manager, or call `close`.

    Attributes:
        about: What the worker says about itself.
        accounting: What counts its memory, "control group" or "processes".
        peak_memory: The most bytes that its processes were seen to use together.
        alive: Whether the worker's process still runs.
    """

    def __init__(self, process: Spawned | Forked, meter: Meter, limits: Limits, at_end: Callable[[], None]):
        """Connect to a worker that was just started, and ask it about itself.

        Args:
            process: The worker's process, with its streams.
            meter: Measures what the worker uses. It is told here which user and which /dev/shm the worker has.
            limits: What the worker may use.
            at_end: Called when the worker is gone.

        Raises:
            GradingError: The worker could not start.
        """
        self._process, self._meter, self._limits, self._at_end = process, meter, limits, at_end
        self._disk_checked = 0.0
        self.peak_memory = 0
        self.accounting = meter.method
        self._log = bytearray()
        self._replies: queue.Queue[protocol.Message[protocol.Json] | ProtocolError | None] = queue.Queue(maxsize=1)
        self._closed = threading.Event()
        for target in (self._read_replies, self._read_log):
            threading.Thread(target=target, daemon=True).start()
        try:
            self.about = self._about()
            confined = self.about.isolation
            meter.user, meter.own_shared_memory = confined.user, confined.own_shared_memory
        except WorkerEnded as error:  # no submission is loaded yet, so this is the grader's problem
            raise GradingError(f"a worker could not start: {error}. {self.log.strip()}") from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def log(self) -> str:
        """Return the last part of what the worker printed, at most `rubric.LOG_LIMIT` bytes."""
        return bytes(self._log).decode(errors="replace")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def request(
        self, question: Question[object], *, timeout_s: float, waiting: Callable[[float], None] | None = None
    ) -> protocol.Message[protocol.Json]:
        """Send one request and wait for its reply, which is returned as it came (see `replies.checked`).

        Args:
            question: What is asked.
            timeout_s: How long the reply may take, in seconds.
            waiting: Called every `POLL_S` seconds until the reply comes, with the seconds that have passed.

        Raises:
            WorkerEnded: The worker has died, or was ended because it exceeded a limit or answered nonsense.
        """
        identity = uuid.uuid4().hex
        started = time.monotonic()
        message = protocol.Message(identity, {"operation": question.operation, **question.arguments})
        threading.Thread(target=self._write, args=[message], daemon=True).start()  # the worker may never read it
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
            words = f" ({reply})" if isinstance(reply, ProtocolError) else ""
            raise self._end("protocol", f"an answer that was not asked for came{words}"[:300])
        if reply is None:
            raise self._end("died", self._last_words())
        return reply

    def close(self) -> None:
        """End the worker and every process that it started, and wait until they are gone."""
        self._closed.set()
        try:
            self._process.end()
        finally:
            self._at_end()

    def _about(self) -> About:
        reply = self.request(ABOUT, timeout_s=rubric.START_LIMIT_S)
        try:
            return replies.checked(ABOUT, reply).fields
        except (ProtocolError, replies.Raised) as error:
            raise self._end("died", str(error)) from error

    def _write(self, message: protocol.Message[object]) -> None:
        try:
            protocol.write(self._process.requests, message)
        except (OSError, ValueError):
            pass  # whoever waits for the reply reports the end, with its reason

    def _check(self, passed: float, timeout_s: float) -> None:
        if passed > timeout_s:
            raise self._end("time", f"no answer within {timeout_s:.0f} s")
        processes = family(self._process.pid)
        if len(processes) > rubric.PROCESS_LIMIT:
            raise self._end("processes", f"more than {rubric.PROCESS_LIMIT} processes started")
        used = self._meter.memory_bytes(processes, self._limits.memory_bytes)
        self.peak_memory = max(self.peak_memory, used)
        if used > self._limits.memory_bytes:
            raise self._end("memory", f"more than {self._limits.memory_bytes >> 20} MiB of memory used")
        if time.monotonic() - self._disk_checked > DISK_POLL_S:
            self._disk_checked = time.monotonic()
            limit = self._limits.disk_bytes
            if self._meter.disk_bytes(processes) > limit:
                raise self._end("disk", f"files of more than {limit >> 20} MiB, or too many, in the working folder")

    def _end(self, kind: Ending, message: str) -> WorkerEnded:
        self.close()
        return WorkerEnded(kind, message)

    def _last_words(self) -> str:
        code = self._process.wait(5)
        if code is None:
            return "it closed its connection"
        if code >= 0:
            return f"it ended with exit code {code}"
        names = {number.value: number.name for number in signal.Signals}
        name = names.get(-code, str(-code))
        hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return f"it was ended by signal {name}{hint}"

    def _read_replies(self) -> None:
        try:
            while message := protocol.read(self._process.replies):
                self._deliver(message)
        except OSError:  # the worker is gone, and had not read a request
            pass
        except Exception as error:  # a submission can put anything into the stream
            self._deliver(error if isinstance(error, ProtocolError) else ProtocolError(str(error)))
        self._deliver(None)

    def _deliver(self, reply: protocol.Message[protocol.Json] | ProtocolError | None) -> None:
        """Hand a reply to `request`. One that nobody asked for is dropped when the worker is closed."""
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._replies.put(reply, timeout=1)
                return

    def _read_log(self) -> None:
        """Drain what is printed, without end if need be, and keep only the last part."""
        stream = self._process.log
        while block := os.read(stream.fileno(), 1 << 16):
            self._log += block
            del self._log[: -rubric.LOG_LIMIT]


def arrays_of(message: protocol.Message[object], prefix: str, count: int) -> list[np.ndarray | None]:
    """Return the arrays prefix0, prefix1, ... of a reply, `count` of them, with None for each that is missing."""
    return [message.arrays.get(f"{prefix}{i}") for i in range(count)]
