"""Loads the suites of a tests folder, and turns what unittest reports about them into results."""

import importlib.util
import math
import sys
import unittest
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from gradescope_utils.autograder_utils.json_test_runner import JSONTestResult

from mp09.errors import GradingError
from mp09.grading import rubric
from mp09.grading.diagnose.record import Failed
from mp09.grading.report import COULD_NOT_RUN, FAILED, PASSED, TestResult
from mp09.grading.testcase import SubmissionTest

Caught = tuple[type[BaseException], BaseException, TracebackType]  # an exception as unittest hands it over


def load_suites(tests: Path, only: str | None = None) -> list[unittest.TestCase]:
    """Load the tests of all files `test_*.py` in a folder, and return them sorted by number.

    Args:
        tests: the folder with the suites.
        only: keep only the tests with this tag.

    Raises:
        GradingError: there is no such file, one can't be loaded, or points are lost: with test_hidden.py among them,
            the points of all tests must add up to rubric.TOTAL.
    """
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


class SuiteResult(JSONTestResult):
    """Collects in `records` a TestResult for every test, including those that gradescope_utils loses."""

    def __init__(self, records: list[TestResult], finished: Callable[[TestResult], None]):
        super().__init__(sys.stderr, True, 0, results=[], leaderboard=[], failure_prefix="")
        self.records = records
        self._finished = finished
        self._seen: set[str] = set()

    def processResult(self, test: object, err: Caught | None = None) -> None:  # noqa: N802 (the library's name)
        """Add a test that passed or failed, or that an error ended."""
        if not isinstance(test, unittest.TestCase):  # setUpClass or setUpModule failed; see add_missing
            return
        error = err[1] if err else None
        if error is None:
            self._add(test, PASSED)
        elif isinstance(error, AssertionError):
            self._add(test, FAILED, str(error), error.diagnosis.key if isinstance(error, Failed) else "")
        else:
            self._add(test, COULD_NOT_RUN, f"The grader could not run this test: {type(error).__name__}: {error}")

    def addSkip(self, test: object, reason: str) -> None:  # noqa: N802
        self._add(test, COULD_NOT_RUN, f"skipped: {reason}")

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: Caught | None) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.processResult(test, err)

    def addExpectedFailure(self, test: unittest.TestCase, err: Caught) -> None:  # noqa: N802
        self._add(test, PASSED)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._add(test, FAILED, "passed, though it was expected to fail")

    def add_missing(self, suite: list[unittest.TestCase]) -> None:
        """Add the tests that unittest has not reported at all, because the set-up of their class failed."""
        for test in suite:
            if test.id() not in self._seen:
                self._add(test, COULD_NOT_RUN, "its class could not be set up")

    def _add(self, test: object, status: str, output: str = "", diagnosis: str = "") -> None:
        if not isinstance(test, unittest.TestCase) or test.id() in self._seen:
            return
        self._seen.add(test.id())
        weight = self.getWeight(test) or 0
        score = test.score if isinstance(test, SubmissionTest) else None
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
            advice=test.advice if isinstance(test, SubmissionTest) else (),
        )
        self.records.append(record)
        self._finished(record)


def _module(file: Path) -> ModuleType:
    """Import a suite from its file, as a module with a name of its own."""
    spec = importlib.util.spec_from_file_location(f"rubric_{file.stem}", file)
    assert spec is not None  # the name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise GradingError(f"{file}: can't be loaded: {type(error).__name__}: {error}") from error
    return module


def _flatten(suite: unittest.TestSuite) -> list[unittest.TestCase]:
    return [case for item in suite for case in (_flatten(item) if isinstance(item, unittest.TestSuite) else [item])]


def _attribute(test: unittest.TestCase, name: str) -> Any:
    """Return what a decorator of gradescope_utils has left on a test, and None where there was none."""
    return getattr(getattr(test, test._testMethodName), name, None)


def _sort_key(test: unittest.TestCase) -> tuple[int, ...]:
    return tuple(int(part) for part in (_attribute(test, "__number__") or "99").split("."))
