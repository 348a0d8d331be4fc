"""Runs the suites of a tests folder on one submission and returns a GradeReport."""

import importlib.util
import math
import sys
import time
import unittest
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

from gradescope_utils.autograder_utils.json_test_runner import JSONTestResult

from mp09 import __version__, precision
from mp09.data.source import checked_source, holdout_file
from mp09.errors import GradingError
from mp09.files import check_writable, scratch_folder, write_json
from mp09.grading import gradescope, rubric
from mp09.grading.isolation import AUTO, PROCESS
from mp09.grading.machine import usable_cores
from mp09.grading.report import COULD_NOT_RUN, FAILED, PASSED, GradeReport, TestResult
from mp09.grading.sandbox import Sandbox, Settings
from mp09.grading.submission import Submission

# What a submission must not read of a repository, besides the tests: the rubric, and wherever the reference lies.
PRIVATE = ("mp09", "submitted.py", "selftests", ".git")


class Watcher(Protocol):
    """Is told what happens, as it happens."""

    def finished(self, result: TestResult) -> None: ...

    def waiting(self, operation: str, seconds: float) -> None: ...


class _Harmless:
    """A watcher whose output may be full or closed: that costs no test. (At a closed pipe, rich ends the program.)"""

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
    *,
    kit: Path,
    tests: Path,
    data: Path,
    device: str = "auto",
    seed: int = 42,
    timeout_s: float = rubric.OVERALL_LIMIT_S,
    threads: int | None = None,
    only: str | None = None,
    out: Path | None = None,
    render: Callable[[GradeReport], dict] = gradescope.render,
    watcher: Watcher | None = None,
    isolation: str = AUTO,
    least: str = PROCESS,
    private: Sequence[Path] = (),
    sandbox: Sandbox | None = None,
) -> GradeReport:
    """Grade a submission.

    Args:
        source: submitted.py, or the folder it lies in.
        kit: the folder with models.py and resnet18.pt; tests: with the suites; data: with the batch files.
        device: "auto", "cpu" or "cuda".
        timeout_s: for the whole run; what does not fit in fails, with the reason.
        threads: of torch in the worker; default: all cores this process may use.
        only: "dataset", "dataloader", "model" or "accuracy".
        out: results.json for Gradescope, written after every test, and once more when every process of the submission
            is gone; an older one is removed first. render: makes it of the report.
        isolation: "auto", or one of `isolation.LEVELS`; least: the lowest that will do.
        private: files and folders besides tests, held-out pictures and results that submissions must not reach.
        sandbox: one that is open already, for many submissions; its settings replace device, seed, threads, isolation
            and what is private.

    Raises:
        GradingError: nothing could be graded, for a reason that is not the submission's, or the results could not be
            written; then there is no `out`.
        DataError: the data folder is missing or damaged.
        DeviceError: MP09_PRECISION is no precision.
    """
    started = time.monotonic()
    if not 0 <= seed < 2**32:
        raise GradingError(f"seed: expected 0..4294967295, got {seed}.")
    watcher = watcher and _Harmless(watcher)
    if out:
        _make_way(out)
    data_source = checked_source(data)
    suite = load_suites(tests, only)
    with ExitStack() as stack:
        if sandbox is None:
            settings = Settings(device, threads or usable_cores(), seed, isolation=isolation, least=least)
            guarded = [*private_parts(kit, tests, data), *([out.parent] if out else []), *private]
            sandbox = stack.enter_context(Sandbox(settings, guarded=guarded))
        scratch = stack.enter_context(scratch_folder())
        submission = Submission(
            source,
            kit=kit,
            data=data,
            scratch=scratch,
            sandbox=sandbox,
            deadline=started + timeout_s,
            waiting=watcher and watcher.waiting,
        )

        def report() -> GradeReport:
            return GradeReport(
                tests=tuple(records),
                score=sum(test.score for test in records),
                max_score=maximum,
                status="infrastructure fault" if any(t.status == COULD_NOT_RUN for t in records) else "graded",
                sandbox=sandbox.level,
                source=data_source.name + (", held out" if submission.held_out else ""),
                scored=data_source.holdout if submission.held_out else data_source.counts["test_batch"],
                accuracy=submission.measured_accuracy,
                near_step=rubric.near_step(submission.measured_accuracy),
                remarks=tuple(sandbox.remarks),
                memory_mib=submission.peak_memory >> 20,
                accounting=submission.about.get("accounting", ""),
                seconds=round(time.monotonic() - started, 1),
                seed=sandbox.settings.seed,
                device=_device(submission.about, sandbox.settings),
                versions={"mp09": __version__, **submission.about.get("versions", {})},
            )

        def finished(record: TestResult) -> None:
            if out and any(test.status != COULD_NOT_RUN for test in records):
                with suppress(OSError):  # the last time counts
                    write_json(out, render(report()))
            if watcher:
                watcher.finished(record)

        records: list[TestResult] = []
        result = Result(records, finished)
        maximum = sum(result.getWeight(test) or 0 for test in suite)
        try:
            for test in suite:
                test.submission = submission
            unittest.TestSuite(suite)(result)
            result.add_missing(suite)
        finally:
            _close(submission, out)
        if all(test.status == COULD_NOT_RUN for test in records):
            raise GradingError(f"no test could run. {records[0].output}")
        graded = report()
        if out:
            _write(out, render(graded))
        return graded


def private_parts(kit: Path, tests: Path, data: Path) -> list[Path]:
    """What a submission must not reach: tests, rubric, held-out images, and all that has the reference."""
    return [tests, holdout_file(data).parent, *(kit / name for name in PRIVATE)]


def _close(submission: Submission, out: Path | None) -> None:
    try:
        submission.close()
    except GradingError:  # then there is no result; those after each test were written for the case that we are killed
        with suppress(OSError):
            if out:
                out.unlink(missing_ok=True)
        raise


def _make_way(out: Path) -> None:
    """Remove older results, and see that there is room for new ones before minutes of work."""
    try:
        out.unlink(missing_ok=True)
        check_writable(out)
    except OSError as error:
        raise GradingError(f"{out}: results could not be written there: {error.strerror}.") from error


def _write(out: Path, results: dict) -> None:
    """All results or none: whoever finds some of the tests there would take their points for the grade."""
    try:
        write_json(out, results)
    except OSError as error:
        with suppress(OSError):
            out.unlink(missing_ok=True)
        points = f"{results['score']:g} points" if "score" in results else "results"
        raise GradingError(f"{out}: {points} could not be written: {error.strerror}.") from error


def _device(about: dict, settings: Settings) -> str:
    """The device's name; with the precision where one is forced, as that may change a score."""
    forced = "" if settings.precision == precision.AUTO else f", {settings.precision} forced"
    return f"{about['device']}{forced}" if "device" in about else ""


def load_suites(tests: Path, only: str | None = None) -> list[unittest.TestCase]:
    """All tests of `tests/test_*.py`, by number. Raises GradingError when one can't be loaded or points are lost."""
    loader = unittest.TestLoader()
    files = sorted(Path(tests).glob("test_*.py"))
    if not files:
        raise GradingError(f"{tests}: no test_*.py files here; expected the rubric's suites.")
    cases = [case for file in files for case in _flatten(loader.loadTestsFromModule(_module(file)))]
    cases.sort(key=_sort_key)
    total = sum(_attribute(case, "__weight__") or 0 for case in cases)
    if any(file.name == "test_hidden.py" for file in files) and total != rubric.TOTAL:
        raise GradingError(f"{tests}: the tests' points add up to {total}; expected {rubric.TOTAL}.")
    return [case for case in cases if only is None or only in (_attribute(case, "__tags__") or ())]


class Result(JSONTestResult):
    """Collects a TestResult for every test in `records`, those included that gradescope_utils loses."""

    def __init__(self, records: list[TestResult], finished: Callable[[TestResult], None]):
        super().__init__(sys.stderr, True, 0, results=[], leaderboard=[], failure_prefix="")
        self.records = records
        self._finished = finished
        self._seen: set[str] = set()

    def processResult(self, test, err=None):  # noqa: N802 (unittest's name); passed, failed and error come here
        if not isinstance(test, unittest.TestCase):  # setUpClass or setUpModule failed: see add_missing
            return
        error = err[1] if err else None
        if error is None:
            self._add(test, PASSED)
        elif isinstance(error, AssertionError):
            self._add(test, FAILED, str(error), getattr(getattr(error, "diagnosis", None), "key", ""))
        else:
            self._add(test, COULD_NOT_RUN, f"The grader could not run this test: {type(error).__name__}: {error}")

    def addSkip(self, test, reason):  # noqa: N802
        self._add(test, COULD_NOT_RUN, f"skipped: {reason}")

    def addSubTest(self, test, subtest, err):  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.processResult(test, err)

    def addExpectedFailure(self, test, err):  # noqa: N802
        self._add(test, PASSED)

    def addUnexpectedSuccess(self, test):  # noqa: N802
        self._add(test, FAILED, "passed, though it was expected to fail")

    def add_missing(self, suite: list[unittest.TestCase]) -> None:
        """Tests of a class whose set-up failed have not been reported at all."""
        for test in suite:
            if test.id() not in self._seen:
                self._add(test, COULD_NOT_RUN, "its class could not be set up")

    def _add(self, test, status: str, output: str = "", diagnosis: str = "") -> None:
        if not isinstance(test, unittest.TestCase) or test.id() in self._seen:
            return
        self._seen.add(test.id())
        weight = self.getWeight(test) or 0
        score = getattr(test, "score", None)
        if score is None:
            score = weight if status == PASSED else 0
        if status == COULD_NOT_RUN or not math.isfinite(score):
            score = 0
        record = TestResult(
            number=self.getNumber(test) or "",
            name=self.getDescription(test),
            score=score,
            max_score=weight,
            status=FAILED if status == PASSED and score < weight else status,
            visibility=self.getVisibility(test) or "visible",
            tags=tuple(self.getTags(test) or ()),
            diagnosis=diagnosis,
            output=output[: rubric.OUTPUT_LIMIT],
            advice=tuple(getattr(test, "advice", ())),
        )
        self.records.append(record)
        self._finished(record)


def _module(file: Path):
    """A suite, imported from its file under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"rubric_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise GradingError(f"{file}: can't be loaded: {type(error).__name__}: {error}") from error
    return module


def _flatten(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    return [case for item in suite for case in (_flatten(item) if isinstance(item, unittest.TestSuite) else [item])]


def _attribute(test: unittest.TestCase, name: str):
    return getattr(getattr(test, test._testMethodName), name, None)


def _sort_key(test: unittest.TestCase) -> tuple[int, ...]:
    return tuple(int(part) for part in (_attribute(test, "__number__") or "99").split("."))
