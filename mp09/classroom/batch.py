"""Grades a class into a gradebook: what is missing or was handed in anew, and nothing twice."""

import errno
import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from mp09 import __version__
from mp09.classroom.collect import Handin
from mp09.classroom.gradebook import FAULT, GRADED, UNREADABLE, Gradebook, Known
from mp09.classroom.pool import Event, Work
from mp09.classroom.task import Place, Rules
from mp09.data.source import checked_source, holdout_file
from mp09.errors import ClassError, GradingError
from mp09.files import atomic_write, checksum
from mp09.grading import rubric
from mp09.grading.grade import load_suites, private_parts
from mp09.grading.isolation import PROCESS
from mp09.grading.machine import usable_cores, usable_memory
from mp09.grading.sandbox import Sandbox, Settings

BOOK, COPIES = "gradebook.sqlite", "submissions"
JOB_MIB = 2048  # what a grading process and an ordinary submission need together
NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # what is wrong with a disk, and no submission
DIGITS = 16  # of a digest, in the book


class Pool(Protocol):
    """Runs gradings somewhere: `pool.LocalPool`, `cluster.RayPool`."""

    def run(self, work: Iterable[Work], place: Place, rules: Rules) -> Generator[Event, None, None]: ...


@dataclass
class Progress:
    """How far a run is. on: what each worker is at -> since when (time.monotonic())."""

    total: int
    known: int  # graded before
    done: int = 0
    failed: int = 0
    on: dict[str, tuple[str, float]] = field(default_factory=dict)


def grade_all(
    handins: list[Handin],
    out: Path,
    *,
    pool: Pool,
    place: Place,
    rules: Rules,
    only_failed: bool = False,
    regrade: bool = False,
    watch: Callable[[Progress], None] | None = None,
) -> Progress:
    """Grade into `out`/gradebook.sqlite, and keep a copy of each submitted.py in `out`/submissions.

    A submission that is in the book, unchanged, is not graded again; so a run that was cut off goes on where it was.

    Args:
        only_failed: those that could not be graded before, and no others.
        regrade: all of them; a run without it then goes on where this one was cut off. A book on other terms is kept
            beside the new one.

    Raises:
        ClassError: the book is another version's, on other terms, in use, or can't be written.
        GradingError, DataError: nothing can be graded here.
    """
    make_folder(out)
    terms = _terms(place, rules)
    with Gradebook(out / BOOK, create=True) as book:
        book.agree(terms, replace=regrade)
        wanted = _wanted(handins, book.known(), only_failed=only_failed)
        progress = Progress(len(wanted), len(handins) - len(wanted))
        by_key = {handin.key: handin for handin in wanted}

        def done(handin: Handin, status: str, problem: str = "", report=None) -> None:
            book.write(handin, _digest(handin), status, problem, report)
            progress.done += 1
            progress.failed += status != GRADED
            if watch:
                watch(progress)

        for handin in wanted:
            if handin.problem:
                done(handin, UNREADABLE, handin.problem)
        work = [(handin.key, handin.source) for handin in wanted if not handin.problem]
        with closing(pool.run(work, place, rules)) as events:
            for key, where, outcome in events:
                if outcome is None:
                    progress.on[where] = (by_key[key].name, time.monotonic())
                    if watch:
                        watch(progress)
                    continue
                progress.on.pop(where, None)
                problem = outcome.problem or _keep_copy(out / COPIES, by_key[key])
                status = FAULT if problem or not outcome.report else outcome.report.status
                done(by_key[key], status, problem, outcome.report)
    return progress


def make_folder(out: Path) -> None:
    """Make the folder for grades. Raises ClassError when that can't be done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClassError(f"{out}: {error}") from error


def default_jobs() -> int:
    """One a core, as far as memory goes."""
    return max(1, min(usable_cores(), min(psutil.virtual_memory().available, usable_memory()) // (JOB_MIB << 20)))


def default_threads(jobs: int) -> int:
    """Of torch, a job: all jobs together use each core once."""
    return max(1, usable_cores() // jobs)


def default_memory_mib(jobs: int) -> int:
    """For a submission: the rubric's limit, or an equal share of four fifths of this machine's memory.

    The same for any number of jobs up to that of cores: a limit decides about points.
    """
    share = 0.8 * usable_memory() / max(jobs, usable_cores())
    return min(rubric.MEMORY_LIMIT_MIB, int(share) >> 20)


def level_here(settings: Settings, place: Place, private: Sequence[Path]) -> str:
    """The level of isolation that gradings on this machine get; all of a class are to get the same.

    private: files and folders that no submission may reach; where level "user" needs it, they are closed to everybody
    but their owner, and so are tests, held-out pictures and the reference.
    Raises GradingError when no level that will do can be had.
    """
    if settings.levels() == [PROCESS]:
        return PROCESS
    guarded = [*private_parts(place.kit, place.tests, place.data), *private]
    with Sandbox(settings, guarded=guarded, close=True) as sandbox:
        return sandbox.level


def _terms(place: Place, rules: Rules) -> dict[str, str]:
    """What decides about points: two runs that agree in it give a submission the same."""
    source = checked_source(place.data)
    load_suites(place.tests)  # say now, once, if the rubric is damaged
    missing = [name for name in ("models.py", "resnet18.pt") if not (place.kit / name).is_file()]
    if missing:
        raise GradingError(f"{place.kit}: {', '.join(missing)} missing.")
    pictures = hashlib.sha256(repr((sorted(source.checksums.items()), source.holdout_checksum)).encode())
    held_out = ", held out" if holdout_file(place.data).exists() else ""
    tests = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(place.tests.glob("test_*.py"))))
    return {
        "data": f"{source.name}{held_out} ({pictures.hexdigest()[:8]})",
        "tests": tests.hexdigest()[:8],
        "checkpoint": checksum(place.kit / "resnet18.pt")[:8],
        "program": __version__,
        "seed": str(rules.settings.seed),
        "device": rules.settings.device,
        "precision": rules.settings.precision,
        "isolation": rules.settings.isolation,
        "timeout": f"{rules.timeout_s:g}",
        "memory": str(rules.settings.memory_mib),
    }


def _wanted(handins: list[Handin], known: dict[str, Known], *, only_failed: bool) -> list[Handin]:
    """A key that is another student's in the book is not known: names may come that take it (see `collect`)."""

    def entry(handin: Handin) -> Known | None:
        found = known.get(handin.key)
        return found if found and found.name == handin.name else None

    if only_failed:
        return [handin for handin in handins if (found := entry(handin)) and found.status != GRADED]
    return [handin for handin in handins if not (found := entry(handin)) or found.digest != _digest(handin)]


def _digest(handin: Handin) -> str:
    """Of what was handed in; a submission that could not be read has its reason's."""
    content = handin.problem.encode() if handin.problem else handin.source or b""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def _keep_copy(copies: Path, handin: Handin) -> str:
    """Keep what the book says was graded; returns why it could not be kept.

    Raises ClassError when no other copy could be kept either.
    """
    file = copies / handin.key / "submitted.py"
    try:
        if handin.source is None:
            file.unlink(missing_ok=True)
            return ""
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as opened:
            opened.write(handin.source)
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        if error.errno in NO_PLACE or not copies.is_dir():
            raise ClassError(f"{copies}: {reason}. What was graded before is in the book.") from error
        return f"the copy of its submitted.py could not be written: {reason}"
    return ""
