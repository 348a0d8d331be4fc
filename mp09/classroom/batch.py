"""Grades a class into a gradebook.

It grades the submissions that the book does not have, and those that have changed since. Nothing is graded twice.
"""

import errno
import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import psutil

from mp09 import __version__
from mp09.classroom.book_entry import FAULT, GRADED, UNREADABLE, Known
from mp09.classroom.gradebook import Gradebook
from mp09.classroom.pool import Event, Work
from mp09.classroom.student_submission import StudentSubmission
from mp09.classroom.task import Rules
from mp09.data.provenance import checked_provenance, holdout_file
from mp09.errors import ClassError, GradingError
from mp09.files import atomic_write, checksum
from mp09.grading import rubric
from mp09.grading.assignment import Assignment
from mp09.grading.report import GradeReport
from mp09.grading.sandbox.isolation import PROCESS
from mp09.grading.sandbox.machine import usable_cores, usable_memory
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from mp09.grading.suites import load_suites

BOOK, COPIES = "gradebook.sqlite", "submissions"
JOB_MIB = 2048  # memory that a grading process and an ordinary submission need together
NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # these tell of a bad disk, not of a bad submission
DIGITS = 16  # hexadecimal digits of a digest that the book keeps


class Pool(Protocol):
    """Runs gradings somewhere: on this machine (`pool.LocalPool`) or on a cluster (`ray_pool.RayPool`)."""

    def run(self, work: Iterable[Work], assignment: Assignment, rules: Rules) -> Generator[Event, None, None]: ...


@dataclass
class ClassProgress:
    """Tells how far a run has come.

    Attributes:
        total: how many submissions this run is to grade.
        known: how many it leaves as they are in the book. What the book does not have and this run does not grade, as
            with `only_failed`, is not counted.
        done: how many are finished, failed ones included.
        failed: how many could not be graded.
        on: what is being graded: for each busy worker the student's name, and the time.monotonic() of the start.
    """

    total: int
    known: int
    done: int = 0
    failed: int = 0
    on: dict[str, tuple[str, float]] = field(default_factory=dict)


def grade_all(
    submissions: list[StudentSubmission],
    out: Path,
    *,
    pool: Pool,
    assignment: Assignment,
    rules: Rules,
    only_failed: bool = False,
    regrade: bool = False,
    watch: Callable[[ClassProgress], None] | None = None,
) -> ClassProgress:
    """Grade submissions into `out`/gradebook.sqlite, and keep a copy of each submitted.py in `out`/submissions.

    A submission that is in the book and has not changed is not graded again. So when a run is cut off, the next one
    continues where it stopped.

    Args:
        submissions: what `collect` found.
        out: the folder for the book and the copies. It is made if it does not exist.
        pool: runs the gradings.
        assignment: where the tests, the data and the rest of the assignment are.
        rules: the settings and the time limit of every grading.
        only_failed: grade only the submissions that could not be graded before.
        regrade: grade all submissions. If that is cut off, a run without `regrade` continues it. When the book has
            other terms, a copy of it is kept beside the new one.
        watch: called with the progress when a submission begins and when it is done.

    Returns:
        The progress at the end, which is how many submissions were graded, failed, and left as they are.

    Raises:
        ClassError: the book was written by another version, has other terms, is in use, or can't be written.
        GradingError: nothing can be graded here, because files of the assignment or the tests are missing or damaged.
        DataError: the data folder is missing or damaged.
    """
    make_folder(out)
    terms = _terms(assignment, rules)
    with Gradebook(out / BOOK, create=True) as book:
        book.agree(terms, replace=regrade)
        known = book.known()
        wanted = _wanted(submissions, known, only_failed=only_failed)
        by_key = {submission.key: submission for submission in wanted}
        left = [submission for submission in submissions if submission.key not in by_key]
        progress = ClassProgress(len(wanted), sum(_entry(submission, known) is not None for submission in left))

        def done(
            submission: StudentSubmission, status: str, problem: str = "", report: GradeReport | None = None
        ) -> None:
            book.write(submission, _digest(submission), status, problem, report)
            progress.done += 1
            progress.failed += status != GRADED
            if watch:
                watch(progress)

        for submission in wanted:
            if submission.problem:
                done(submission, UNREADABLE, submission.problem)
        work = [(submission.key, submission.source) for submission in wanted if not submission.problem]
        with closing(pool.run(work, assignment, rules)) as events:
            for key, where, outcome in events:
                if outcome is None:
                    progress.on[where] = (by_key[key].name, time.monotonic())
                    if watch:
                        watch(progress)
                    continue
                progress.on.pop(where, None)
                problem = outcome.problem or _keep_copy(out / COPIES, by_key[key])
                report = outcome.report and replace(outcome.report, file_remark=by_key[key].remark)
                done(by_key[key], FAULT if problem or not report else report.status, problem, report)
    return progress


def make_folder(out: Path) -> None:
    """Make the folder for grades, unless it exists. Raises ClassError when that can't be done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClassError(f"{out}: {error}") from error


def default_jobs() -> int:
    """Return how many gradings to run at a time: one for each core, or fewer where memory is short."""
    return max(1, min(usable_cores(), min(psutil.virtual_memory().available, usable_memory()) // (JOB_MIB << 20)))


def default_threads(jobs: int) -> int:
    """Return how many threads PyTorch may use in each job, so that all jobs together use each core once."""
    return max(1, usable_cores() // jobs)


def default_memory_mib(jobs: int) -> int:
    """Return the memory limit of a submission in MiB.

    It is the rubric's limit, or an equal share of four fifths of this machine's memory if that is less. Because the
    limit may decide about points, it is the same for any number of jobs up to the number of cores.
    """
    share = 0.8 * usable_memory() / max(jobs, usable_cores())
    return min(rubric.MEMORY_LIMIT_MIB, int(share) >> 20)


def level_here(settings: Settings, assignment: Assignment, private: Sequence[Path]) -> str:
    """Find the level of isolation that gradings on this machine get, so that all of a class get the same.

    Args:
        settings: say which levels are acceptable.
        assignment: its tests, held-out images and reference solution must stay out of reach, too.
        private: more files and folders that no submission may reach. Before level "user" is tried, all of these are
            closed to everybody but their owner.

    Raises:
        GradingError: this machine offers none of the acceptable levels.
    """
    if settings.levels() == [PROCESS]:
        return PROCESS
    guarded = [*assignment.private_parts, *private]
    with Sandbox(settings, guarded=guarded, close=True) as sandbox:
        return sandbox.level


def _terms(assignment: Assignment, rules: Rules) -> dict[str, str]:
    """Collect everything that decides about points: two runs with equal terms give a submission the same points."""
    source = checked_provenance(assignment.data)
    load_suites(assignment.tests)  # if the rubric is damaged, this says so once, before any grading
    missing = [name for name in ("models.py", "resnet18.pt") if not (assignment.kit / name).is_file()]
    if missing:
        raise GradingError(f"{assignment.kit}: {', '.join(missing)} missing.")
    images = hashlib.sha256(repr((sorted(source.checksums.items()), source.holdout_checksum)).encode())
    held_out = ", held out" if holdout_file(assignment.data).exists() else ""
    tests = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(assignment.tests.glob("test_*.py"))))
    return {
        "data": f"{source.name}{held_out} ({images.hexdigest()[:8]})",
        "tests": tests.hexdigest()[:8],
        "checkpoint": checksum(assignment.kit / "resnet18.pt")[:8],
        "program": __version__,
        "seed": str(rules.settings.seed),
        "device": rules.settings.device,
        "precision": rules.settings.precision,
        "isolation": rules.settings.isolation,
        "timeout": f"{rules.timeout_s:g}",
        "memory": str(rules.settings.memory_mib),
    }


def _wanted(
    submissions: list[StudentSubmission], known: dict[str, Known], *, only_failed: bool
) -> list[StudentSubmission]:
    """Choose what is to be graded."""
    found = [(submission, _entry(submission, known)) for submission in submissions]
    if only_failed:
        return [submission for submission, entry in found if entry and entry.status != GRADED]
    return [submission for submission, entry in found if not entry or entry.digest != _digest(submission)]


def _entry(submission: StudentSubmission, known: dict[str, Known]) -> Known | None:
    """Return what the book has of a submission.

    When a key belongs to another student in the book, the submission counts as new: a student who joins the class may
    take over a key (see `collect`).
    """
    found = known.get(submission.key)
    return found if found and found.name == submission.name else None


def _digest(submission: StudentSubmission) -> str:
    """Return the digest of what was submitted; for a submission that could not be read, of the reason."""
    content = submission.problem.encode() if submission.problem else submission.source or b""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def _keep_copy(copies: Path, submission: StudentSubmission) -> str:
    """Keep a copy of what was graded, and return why that failed, or "" when it did not.

    Raises ClassError when the copies of other submissions would fail as well, e.g. because the disk is full.
    """
    file = copies / submission.key / "submitted.py"
    try:
        if submission.source is None:
            file.unlink(missing_ok=True)
            return ""
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as opened:
            opened.write(submission.source)
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        if error.errno in NO_PLACE or not copies.is_dir():
            raise ClassError(f"{copies}: {reason}. What was graded before is in the book.") from error
        return f"the copy of its submitted.py could not be written: {reason}"
    return ""
