"""Run the suites of a tests folder on one submission, and return a GradeReport."""

import time
import unittest
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mp09 import __version__, precision
from mp09.data.provenance import Provenance, checked_provenance
from mp09.errors import GradingError
from mp09.files import check_writable, scratch_folder, write_json
from mp09.grading import gradescope, rubric
from mp09.grading.assignment import Assignment, GradeOptions
from mp09.grading.report import COULD_NOT_RUN, GradeReport, TestResult
from mp09.grading.sandbox.conversation import About
from mp09.grading.sandbox.machine import usable_cores
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from mp09.grading.submission import Submission
from mp09.grading.suites import SuiteResult, load_suites
from mp09.grading.testcase import SubmissionTest
from mp09.grading.worker_pair import WorkerPair

Render = Callable[[GradeReport], dict[str, Any]]


class Watcher(Protocol):
    """Is told what happens in a grading, as it happens.

    `finished` gets the result of each test. `waiting` gets the name of the operation that the grader is waiting for,
    and the seconds that it has taken so far.
    """

    def finished(self, result: TestResult) -> None: ...

    def waiting(self, operation: str, seconds: float) -> None: ...


class _Harmless:
    """Wraps a watcher, so that an output that is full or closed costs no test.

    SystemExit is caught too, because rich ends the program when it writes to a closed pipe.
    """

    def __init__(self, watcher: Watcher):
        self._watcher = watcher

    def finished(self, result: TestResult) -> None:
        with suppress(OSError, SystemExit):
            self._watcher.finished(result)

    def waiting(self, operation: str, seconds: float) -> None:
        with suppress(OSError, SystemExit):
            self._watcher.waiting(operation, seconds)


def grade(
    source: Path,
    assignment: Assignment,
    options: GradeOptions = GradeOptions(),
    *,
    out: Path | None = None,
    render: Render = gradescope.render,
    watcher: Watcher | None = None,
    sandbox: Sandbox | None = None,
) -> GradeReport:
    """Grade a submission, and return the report.

    Args:
        source: submitted.py, or the folder that it lies in; see `working_copy.read_submission`.
        assignment: Where kit, tests and data lie.
        options: Device, seed, limits and isolation.
        out: Where to write results.json for Gradescope. An older file is removed first. It is written after every
            test, and once more when every process of the submission is gone.
        render: Makes the content of `out` from the report.
        watcher: Is told each result, and what the grader is waiting for.
        sandbox: One that is open already, to grade many submissions. Its own settings then take the place of device,
            seed, threads, isolation, least and private.

    Raises:
        GradingError: The seed is out of range; or nothing could be graded, for a reason that is not the submission's,
            or the results could not be written, and then there is no file `out`.
        DataError: The data folder is missing or damaged.
        DeviceError: MP09_PRECISION holds a word that is no precision.
    """
    started = time.monotonic()
    options.check()
    if out:
        _make_way(out)
    provenance = checked_provenance(assignment.data)
    suite = load_suites(assignment.tests, options.only)
    with ExitStack() as stack:
        if sandbox is None:
            sandbox = stack.enter_context(_sandbox(assignment, options, out))
        watching = _Harmless(watcher) if watcher else None
        workers = WorkerPair(
            source,
            kit=assignment.kit,
            data=assignment.data,
            scratch=stack.enter_context(scratch_folder()),
            sandbox=sandbox,
            deadline=started + options.timeout_s,
            waiting=watching.waiting if watching else None,
        )
        submission = Submission(workers, assignment.data)
        run = _Run(submission, sandbox, provenance, started, out, render, watching)
        result = SuiteResult(run.records, run.finished)
        run.maximum = sum(result.getWeight(test) or 0 for test in suite)
        try:
            for test in suite:
                if isinstance(test, SubmissionTest):
                    test.submission = submission
            unittest.TestSuite(suite)(result)
            result.add_missing(suite)
        finally:
            _close(submission, out)
        return run.end()


@dataclass
class _Run:
    """One grading: what it knows so far, as a report, and where that is written and told."""

    submission: Submission
    sandbox: Sandbox
    provenance: Provenance
    started: float
    out: Path | None
    render: Render
    watcher: Watcher | None
    maximum: float = 0.0
    records: list[TestResult] = field(default_factory=list)

    def finished(self, record: TestResult) -> None:
        """Write and tell the results so far."""
        if self.out and any(test.status != COULD_NOT_RUN for test in self.records):
            with suppress(OSError):  # only the last write has to succeed
                write_json(self.out, self.render(self.report()))
        if self.watcher:
            self.watcher.finished(record)

    def end(self) -> GradeReport:
        """Write all results, and return the report."""
        if all(test.status == COULD_NOT_RUN for test in self.records):
            raise GradingError(f"no test could run. {self.records[0].output}")
        report = self.report()
        if self.out:
            _write(self.out, self.render(report))
        return report

    def report(self) -> GradeReport:
        held_out, about, settings = self.submission.held_out, self.submission.workers.about, self.sandbox.settings
        accuracy = self.submission.measured_accuracy
        could_not_run = any(test.status == COULD_NOT_RUN for test in self.records)
        return GradeReport(
            tests=tuple(self.records),
            score=sum(test.score for test in self.records),
            max_score=self.maximum,
            status="infrastructure fault" if could_not_run else "graded",
            sandbox=self.sandbox.level,
            source=self.provenance.name + (", held out" if held_out else ""),
            scored=self.provenance.holdout if held_out else self.provenance.counts["test_batch"],
            accuracy=accuracy,
            near_step=rubric.near_step(accuracy),
            remarks=tuple(self.sandbox.remarks),
            file_remark=self.submission.workers.remark,
            transform=self.submission.evaluated.transform,
            memory_mib=self.submission.workers.peak_memory >> 20,
            accounting=self.submission.workers.accounting,
            seconds=round(time.monotonic() - self.started, 1),
            seed=settings.seed,
            device=_device(about, settings),
            versions={"mp09": __version__, **about.versions},
        )


def _sandbox(assignment: Assignment, options: GradeOptions, out: Path | None) -> Sandbox:
    """Open a sandbox for one grading."""
    settings = Settings(
        options.device,
        options.threads or usable_cores(),
        options.seed,
        isolation=options.isolation,
        least=options.least,
    )
    guarded = [*assignment.private_parts, *([out.parent] if out else []), *options.private]
    return Sandbox(settings, guarded=guarded)


def _close(submission: Submission, out: Path | None) -> None:
    try:
        submission.close()
    except GradingError:
        # The submission could not be ended, so there is no result. What was written after each test is only meant for
        # a grader that is killed.
        with suppress(OSError):
            if out:
                out.unlink(missing_ok=True)
        raise


def _make_way(out: Path) -> None:
    """Remove older results, and make sure that new ones can be written, before minutes of work."""
    try:
        out.unlink(missing_ok=True)
        check_writable(out)
    except OSError as error:
        raise GradingError(f"{out}: results could not be written there: {error.strerror}.") from error


def _write(out: Path, results: dict[str, Any]) -> None:
    """Write all results or none, because whoever finds some of the tests would take their points for the grade."""
    try:
        write_json(out, results)
    except OSError as error:
        with suppress(OSError):
            out.unlink(missing_ok=True)
        points = f"{results['score']:g} points" if "score" in results else "results"
        raise GradingError(f"{out}: {points} could not be written: {error.strerror}.") from error


def _device(about: About, settings: Settings) -> str:
    """Return the device's name, and with it the precision if one is forced, as that may change a score."""
    forced = "" if settings.precision == precision.AUTO else f", {settings.precision} forced"
    return f"{about.device}{forced}" if about.device else ""
