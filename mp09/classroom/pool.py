"""Runs `grade_source` for many submissions: on this machine, one process a job.

A grading process that dies is replaced, and its submission tried once more; when we die, they all end.
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
from mp09.classroom.task import Outcome, Place, Rules, close, grade_source
from mp09.files import scratch_folder
from mp09.grading.report import TestResult

ATTEMPTS = 2
OWN_END_S, END_S = 10.0, 20.0  # that a grading process has for its end, and that we wait for it
Work = tuple[str, bytes | None]  # (key, source)
Event = tuple[str, str, Outcome | None]  # (key, where it runs, None when it begins)


class LocalPool:
    """`jobs` processes of this machine."""

    def __init__(self, jobs: int):
        self._jobs = jobs

    def run(self, work: Iterable[Work], place: Place, rules: Rules) -> Generator[Event, None, None]:
        """Yields an event when a submission begins, and one when it is done; in no order."""
        waiting = deque((key, source, 1) for key, source in work)
        workers: list[_Process] = []
        try:
            for i in range(min(self._jobs, len(waiting))):
                workers.append(_Process(f"job {i + 1}", place, rules))
            while waiting or any(worker.current for worker in workers):
                for worker in workers:
                    if not worker.current and waiting:
                        worker.give(waiting.popleft())
                        yield worker.current[0], worker.name, None
                busy = {worker.connection: worker for worker in workers if worker.current}
                for connection in wait(busy):
                    worker = busy[connection]
                    key, source, attempt = worker.current
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
    """A grading process. current: (key, source, attempt) that it works on."""

    def __init__(self, name: str, place: Place, rules: Rules):
        self.name, self._arguments = name, (place, rules)
        self.current: tuple[str, bytes | None, int] | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._life, their_life = context.Pipe()  # closes when we end, however we end
        self._temporary = ExitStack()  # ours, as it may be killed
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
            pass  # it is gone: `take` will say so

    def take(self) -> Outcome:
        outcome = self.connection.recv()
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
    """Ctrl-C reaches a process that is started here only when it has chosen not to heed it (see `_serve`)."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection, life: Connection, scratch: Path, place: Place, rules: Rules) -> None:
    """In the process: grade what comes, until nothing comes any more. Everything temporary lies in `scratch`.

    Ctrl-C, which the terminal sends to all, is for who started us: when that one ends, so do we.
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
            connection.send(grade_source(key, source, place, rules, _UntilEnd(end)))
    except (EOFError, OSError, _Ended):
        close()
        trees.remove(scratch)  # who started us may have been killed


class _Ended(KeyboardInterrupt):
    """Nobody waits for this grading any more. (The one kind of exception that no test takes for its own.)"""


class _UntilEnd:
    """Watches a grading, and breaks it off where it waits."""

    def __init__(self, end: threading.Event):
        self._end = end

    def finished(self, result: TestResult) -> None:
        self.waiting("", 0.0)

    def waiting(self, operation: str, seconds: float) -> None:
        if self._end.is_set():
            raise _Ended


def _end_with_parent(life: Connection, end: threading.Event, scratch: Path) -> None:
    """The grading belongs to the main thread, which is told, and gets the time for an orderly end.

    It does not hear while PyTorch starts, which may take long; then what is starting is ended with us.
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
