"""Runs `grade_source` for many submissions on this machine, with one grading process for each job.

When a grading process dies, it is replaced, and its submission is tried once more. When this process dies, all of its
grading processes end.
"""

import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psutil

from mp09 import trees
from mp09.classroom.task import Outcome, Rules, close, grade_source
from mp09.files import scratch_folder
from mp09.grading.assignment import Assignment
from mp09.grading.report import TestResult

ATTEMPTS = 2
OWN_END_S, END_S = 10.0, 20.0  # a grading process has the first to end in order; its parent waits for the second
Work = tuple[str, bytes | None]  # a submission's key and source
Event = tuple[str, str, Outcome | None]  # key, where it runs, and the outcome; None says that the grading begins


class LocalPool:
    """Grades in `jobs` processes of this machine."""

    def __init__(self, jobs: int):
        self._jobs = jobs

    def run(self, work: Iterable[Work], assignment: Assignment, rules: Rules) -> Generator[Event, None, None]:
        """Grade submissions; yield an event when one begins, and another when it is done, in any order."""
        waiting = deque((key, source, 1) for key, source in work)
        workers: list[_Process] = []
        try:
            for i in range(min(self._jobs, len(waiting))):
                workers.append(_Process(f"job {i + 1}", assignment, rules))
            while waiting or any(worker.current for worker in workers):
                for worker in workers:
                    if not worker.current and waiting:
                        task = waiting.popleft()
                        worker.give(task)
                        yield task[0], worker.name, None
                busy = {worker.connection: (worker, worker.current) for worker in workers if worker.current}
                ready = wait(busy)
                for connection, (worker, (key, source, attempt)) in busy.items():
                    if connection not in ready:
                        continue
                    try:
                        outcome = worker.take()
                    except (EOFError, OSError):
                        worker.replace()
                        if attempt < ATTEMPTS:
                            waiting.appendleft((key, source, attempt + 1))
                            continue
                        outcome = Outcome(key, None, f"the grading process ended, {ATTEMPTS} times")
                    yield key, worker.name, outcome
        finally:
            for worker in workers:
                worker.tell_end()
            for worker in workers:
                worker.end()


class _Process:
    """Represents one grading process; `current` is the (key, source, attempt) that it works on, or None."""

    def __init__(self, name: str, assignment: Assignment, rules: Rules):
        self.name, self._arguments = name, (assignment, rules)
        self.current: tuple[str, bytes | None, int] | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._life, their_life = context.Pipe()  # the system closes it when this process ends in any way
        self._temporary = ExitStack()  # the folder is removed here, as the process may be killed
        scratch = self._temporary.enter_context(scratch_folder())
        self._process = context.Process(target=_serve, args=(theirs, their_life, scratch, *self._arguments))
        with _shielded():
            self._process.start()
        theirs.close()
        their_life.close()

    def give(self, work: tuple[str, bytes | None, int]) -> None:
        self.current = work
        try:
            self.connection.send(work[:2])
        except OSError:
            pass  # the process has died, and `take` will say so

    def take(self) -> Outcome:
        outcome: Outcome = self.connection.recv()
        self.current = None
        return outcome

    def replace(self) -> None:
        self.current = None
        self.end()
        self._start()

    def tell_end(self) -> None:
        self._life.close()
        self.connection.close()

    def end(self) -> None:
        self.tell_end()
        self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._temporary.close()


@contextmanager
def _shielded() -> Iterator[None]:
    """Hold Ctrl-C back from a process that is started here until it has chosen to ignore it (see `_serve`)."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, life: Connection, scratch: Path, assignment: Assignment, rules: Rules) -> None:
    """Grade what comes through the connection until it closes. This is what a grading process runs.

    Everything temporary is kept in `scratch`. Ctrl-C, which a terminal sends to all processes, is left to the parent:
    when that one ends, this process does, too.
    """
    end = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: end.set())
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    tempfile.tempdir = str(scratch)
    threading.Thread(target=_end_with_parent, args=[life, end, scratch], daemon=True).start()
    try:
        while True:
            key, source = connection.recv()
            connection.send(grade_source(key, source, assignment, rules, _UntilEnd(end)))
    except (EOFError, OSError, _Ended):
        close()
        trees.remove(scratch)  # the parent may have been killed, and can't do it then


class _Ended(KeyboardInterrupt):
    """Says that nobody waits for this grading any more. (unittest takes any other exception for a test's failure.)"""


class _UntilEnd:
    """Watches a grading, and breaks it off at the next event after `end` was set."""

    def __init__(self, end: threading.Event):
        self._end = end

    def finished(self, result: TestResult) -> None:
        self.waiting("", 0.0)

    def waiting(self, operation: str, seconds: float) -> None:
        if self._end.is_set():
            raise _Ended


def _end_with_parent(life: Connection, end: threading.Event, scratch: Path) -> None:
    """Wait until the parent has ended, then end this process. This runs in a thread of its own.

    The main thread, which grades, is told, and has OWN_END_S seconds for an orderly end. It can't react while PyTorch
    starts, which may take long. So after that time this process ends at once, with all that it has started.
    """
    try:
        life.recv()
    except (EOFError, OSError):
        end.set()
        time.sleep(OWN_END_S)
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                process.kill()
        trees.remove(scratch)
        os._exit(1)
