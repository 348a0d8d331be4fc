"""Computes the figures of a class from the entries of a gradebook."""

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mp09.classroom.book_entry import Entry
from mp09.grading import rubric
from mp09.grading.diagnose.causes import is_cause
from mp09.grading.report import PASSED, GradeReport, TestResult

BINS = 20


@dataclass(frozen=True)
class TestRate:
    """Tells how many of the graded submissions pass a test.

    Attributes:
        number: the test's number in the rubric.
        name: the test's title.
        max_score: its points; 0 for a practice check.
        passed: how many submissions pass.
        graded: of how many graded submissions.
        mean: the mean score.
    """

    __test__ = False  # keeps pytest from collecting it

    number: str
    name: str
    max_score: float
    passed: int
    graded: int
    mean: float

    @property
    def rate(self) -> float:
        return self.passed / self.graded if self.graded else 0.0


@dataclass(frozen=True)
class Summary:
    """Holds the figures of a report.

    Attributes:
        entries: all submissions in the book.
        graded: those with a grade.
        faults: the others.
        near_step: graded ones whose accuracy is so close to a step that another machine might give other points.
        max_score: the most points that can be reached.
        mean, median: of the scores; None without any.
        full: how many have all points.
        scores: counts of the scores in BINS equal bins from 0 to max_score.
        accuracies: counts of the accuracies in BINS equal bins from 0 to 1.
        measured: of how many submissions the accuracy was measured.
        tests: the rate of each test, by number.
        diagnoses: each diagnosis with the submissions that got it, the most frequent first.
        causes: the same for what costs accuracy, with "" for those that miss the last step and no cause was found.
    """

    entries: tuple[Entry, ...]
    graded: tuple[Entry, ...]
    faults: tuple[Entry, ...]
    near_step: tuple[Entry, ...]
    max_score: float
    mean: float | None
    median: float | None
    full: int
    scores: tuple[int, ...]
    accuracies: tuple[int, ...]
    measured: int
    tests: tuple[TestRate, ...]
    diagnoses: tuple[tuple[str, tuple[Entry, ...]], ...]
    causes: tuple[tuple[str, tuple[Entry, ...]], ...]


def summarize(entries: list[Entry]) -> Summary:
    """Compute the figures of a report from all entries of a book."""
    graded = tuple(entry for entry in entries if entry.final)
    reports = [report for entry in entries if (report := entry.final)]
    scores = [report.score for report in reports]
    accuracies = [report.accuracy for report in reports if report.accuracy is not None]
    maximum = max((report.max_score for report in reports), default=float(rubric.TOTAL))
    return Summary(
        entries=tuple(entries),
        graded=graded,
        faults=tuple(entry for entry in entries if entry not in graded),
        near_step=tuple(entry for entry in graded if entry.final and entry.final.near_step),
        max_score=maximum,
        mean=statistics.mean(scores) if scores else None,
        median=statistics.median(scores) if scores else None,
        full=sum(score == maximum for score in scores),
        scores=_histogram(scores, maximum),
        accuracies=_histogram(accuracies, 1.0),
        measured=len(accuracies),
        tests=_rates(reports),
        diagnoses=_who((entry, diagnoses_of(entry)) for entry in graded),
        causes=_who((entry, _causes(entry.final)) for entry in graded if entry.final),
    )


def diagnoses_of(entry: Entry) -> list[str]:
    """Return the keys of the diagnoses that a submission's failures name, sorted, each once."""
    return sorted({test.diagnosis for test in entry.report.tests if test.diagnosis}) if entry.report else []


def _histogram(values: list[float], maximum: float) -> tuple[int, ...]:
    bins = Counter(min(int(value / maximum * BINS), BINS - 1) for value in values)
    return tuple(bins[i] for i in range(BINS))


def _rates(reports: list[GradeReport]) -> tuple[TestRate, ...]:
    by_number: dict[str, list[TestResult]] = {}
    for report in reports:
        for test in report.tests:
            by_number.setdefault(test.number, []).append(test)
    return tuple(
        TestRate(
            number,
            tests[0].name,
            tests[0].max_score,
            sum(test.status == PASSED for test in tests),
            len(tests),
            statistics.mean(test.score for test in tests),
        )
        for number, tests in sorted(by_number.items())
    )


def _causes(report: GradeReport) -> list[str]:
    """Return what costs a submission accuracy: a diagnosis, "" where none is known, nothing where 0.90 is reached."""
    if report.accuracy is None or report.accuracy >= rubric.ACCURACY_STEPS[-1]:
        return []
    return sorted({test.diagnosis for test in report.tests if is_cause(test.diagnosis)}) or [""]


def _who(keys: Iterable[tuple[Entry, list[str]]]) -> tuple[tuple[str, tuple[Entry, ...]], ...]:
    """Return each key with the entries that have it, the most frequent first."""
    who: dict[str, list[Entry]] = {}
    for entry, found in keys:
        for key in found:
            who.setdefault(key, []).append(entry)
    return tuple((key, tuple(found)) for key, found in sorted(who.items(), key=lambda item: (-len(item[1]), item[0])))
