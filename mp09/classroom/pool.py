"""Runs `grade_source` for many submissions: on this machine, one process a job.

A grading process that dies is replaced, and its submission tried once more; when we die, they all end.
"""

import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection, wait
from pathlib import Path

from mp09.classroom.task import Outcome, Place, Rules, close, grade_source
from mp09.files import scratch_folder

ATTEMPTS = 2
Work = tuple[str, bytes | None]  # (key, source)
Event = tuple[str, str, Outcome | None]  # (key, where it runs, None when it begins)


class LocalPool:
    """`jobs` processes of this machine."""

    def __init__(self, jobs: int):
        self._jobs = jobs

    def run(self, work: Iterable[Work], place: Place, rules: Rules) -> Iterator[Event]:
        """Yields an event when a submission begins, and one when it is done; in no order."""
        waiting = deque((key, source, 1) for key, source in work)
        workers = [_Process(f"job {i + 1}", place, rules) for i in range(min(self._jobs, len(waiting)))]
        try:
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

    def end(self) -> None:
        self._life.close()
        self.connection.close()
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._temporary.close()


def _serve(connection: Connection, life: Connection, scratch: Path, place: Place, rules: Rules) -> None:
    """In the process: grade what comes, until nothing comes any more. Everything temporary lies in `scratch`."""
    tempfile.tempdir = str(scratch)
    threading.Thread(target=_end_with_parent, args=[life, scratch], daemon=True).start()
    while True:
        try:
            key, source = connection.recv()
            connection.send(grade_source(key, source, place, rules))
        except (EOFError, OSError, KeyboardInterrupt):
            break
    close()
    shutil.rmtree(scratch, ignore_errors=True)  # who started us may have been killed


def _end_with_parent(life: Connection, scratch: Path) -> None:
    try:
        life.recv()
    except (EOFError, OSError):
        time.sleep(3)  # enough for an orderly end
        close()
        shutil.rmtree(scratch, ignore_errors=True)
        os._exit(1)
