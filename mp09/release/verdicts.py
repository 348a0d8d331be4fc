"""Grades one submission whose points are known, and says whether all is as it must be."""

import json
import site
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from mp09.errors import GradingError
from mp09.grading import rubric
from mp09.grading.assignment import Assignment, GradeOptions
from mp09.grading.diagnose.causes import FOUND, is_cause
from mp09.grading.diagnose.model import NOT_A_FUNCTION
from mp09.grading.grade import grade
from mp09.grading.report import GradeReport
from mp09.grading.sandbox.isolation import SHARED_MEMORY
from mp09.grading.sandbox.leftovers import FOR_EVERYBODY
from mp09.grading.sandbox.sandbox import Sandbox
from mp09.release.cases import ATTACKS, CONTROLS, Case, marker_of

GRACE_SECONDS = 20.0  # after the time limit, for ending processes and writing results
SAMPLE_POINTS = 25.0  # the reference gets these with --only dataset
MARGIN = 0.02  # accuracies must be so far from the steps that other processors' arithmetic gives the same points


@dataclass(frozen=True)
class Verdict:
    """Holds the result of a case.

    Attributes:
        kind, name: the case's.
        ok: whether all is as it must be.
        points: what the submission got; None when the grader could not run.
        expected: what it must get; None if only the causes matter.
        diagnoses: the keys of the diagnoses that were named, sorted.
        seconds: how long the grading took.
        problem: what is not as it must be; "" if `ok`.
        margin: how far the accuracy is from the nearest step that decides about points; None when it was not measured,
            or when the case allows two results (`either`).
        accuracy: what was measured, 0 to 1; None where nothing was.
    """

    kind: str
    name: str
    ok: bool
    points: float | None
    expected: float | None
    diagnoses: tuple[str, ...] = ()
    seconds: float = 0.0
    problem: str = ""
    margin: float | None = None
    accuracy: float | None = None


def run_case(case: Case, sandbox: Sandbox, assignment: Assignment) -> Verdict:
    """Grade one case and check the result; for an attack, also what it left behind, and that the next one is unharmed.

    Args:
        case: what to grade.
        sandbox: where it runs.
        assignment: where the repository, the rubric's tests and the data lie.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mp09-case-") as scratch:
        folder, out = Path(scratch) / "submission", Path(scratch) / "results" / "results.json"
        folder.mkdir()
        out.parent.mkdir()
        case.build(folder)
        report, problems = None, []
        try:
            options = GradeOptions(timeout_s=case.seconds, only="accuracy" if case.causes else None)
            report = grade(folder, assignment, options, out=out, sandbox=sandbox)
            problems += _wrong(case, report)
            problems += _wrong_file(out, report)
        except GradingError as error:
            problems.append(f"the grader could not run: {error}")
        seconds = time.monotonic() - started
        if seconds > case.seconds + GRACE_SECONDS:
            problems.append(f"took {seconds:.0f} s, {case.seconds:.0f} allowed")
    if case.kind == ATTACKS:
        problems += _left_behind(sandbox, assignment.kit, marker_of(case.name))
        problems += _next_one(sandbox, assignment)
    return Verdict(
        kind=case.kind,
        name=case.name,
        ok=not problems,
        points=report.score if report else None,
        expected=case.points,
        diagnoses=tuple(sorted({test.diagnosis for test in report.tests if test.diagnosis})) if report else (),
        seconds=round(seconds, 1),
        problem="; ".join(problems),
        margin=_margin(report) if report and case.points is not None and not case.either else None,
        accuracy=report.accuracy if report else None,
    )


def _margin(report: GradeReport) -> float | None:
    """Return how far the accuracy is from the nearest step that decides about points, or None without an accuracy."""
    if report.accuracy is None:
        return None
    steps: tuple[float, ...] = (rubric.TRAINED_ACCURACY, *rubric.ACCURACY_STEPS)
    if any(NOT_A_FUNCTION in test.output for test in report.tests):  # it loses the last step's points at any accuracy
        steps = steps[:-1]
    return round(min(abs(report.accuracy - step) for step in steps), 4)


def clear_of_steps(row: Verdict) -> Verdict:
    """Mark a result as wrong if another processor's arithmetic might change its points."""
    if row.margin is None or row.margin >= MARGIN:
        return row
    words = f"the accuracy is {row.margin:.4f} from a step, expected {MARGIN:g} or more"
    return replace(row, ok=False, problem="; ".join(filter(None, [row.problem, words])))


def _wrong(case: Case, report: GradeReport) -> list[str]:
    problems = []
    if case.points is not None and not case.points - case.either <= report.score <= case.points:
        problems.append(f"{report.score:g} points, expected {case.points:g}")
    if report.status != "graded":
        problems.append(f"the grader reports a fault of its own: {[t.output for t in report.tests if t.status][:1]}")
    if case.diagnosis and case.diagnosis not in {test.diagnosis for test in report.tests}:
        problems.append(f"diagnosis {case.diagnosis} not named")
    if case.advice and not any(case.advice in text for test in report.tests for text in test.advice):
        problems.append(f"advice not given: {case.advice}")
    if case.kind == CONTROLS and (named := [test.diagnosis for test in report.tests if is_cause(test.diagnosis)]):
        problems.append(f"a cause is named: {named[0]}")
    return problems + ([] if _names_all(case.causes, report) else [f"expected {_words(case.causes)}"])


def _names_all(causes: tuple[frozenset[str], ...], report: GradeReport) -> bool:
    """Return whether the diagnosis of the accuracy is one of the causes, and its text names one for each mistake."""
    named = [(test.diagnosis, test.output) for test in report.tests if "accuracy" in test.tags]
    right = frozenset().union(*causes)
    return all(
        key in right and all(any(FOUND.get(one, "") in text for one in alternatives) for alternatives in causes)
        for key, text in named
        if causes
    )


def _words(causes: tuple[frozenset[str], ...]) -> str:
    return " and ".join(" or ".join(sorted(alternatives)) for alternatives in causes)


def _wrong_file(out: Path, report: GradeReport) -> list[str]:
    """Check that the results file was written by the grader, and agrees with the report."""
    try:
        written = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [f"results.json: {error}"]
    same = (written["score"], len(written["tests"])) == (report.score, len(report.tests))
    return [] if same else ["results.json is not the report"]


def _left_behind(sandbox: Sandbox, kit: Path, marker: str) -> list[str]:
    problems = [f"{count} processes survive"] if (count := sandbox.leftovers()) else []
    shared = [Path(place) for place in (SHARED_MEMORY, *FOR_EVERYBODY)]
    places = [Path(tempfile.gettempdir()), *shared, Path.home(), Path.cwd(), kit, kit.parent]
    places += [Path(json.__file__).parent, *(Path(path) for path in site.getsitepackages())]
    found = {str(path) for place in places if place.is_dir() for path in place.glob(f"*{marker}*")}
    return problems + [f"left behind: {path}" for path in sorted(found)]


def _next_one(sandbox: Sandbox, assignment: Assignment) -> list[str]:
    """Check that the reference still passes its data tests in the same sandbox after an attack."""
    report = grade(assignment.kit / "submitted.py", assignment, GradeOptions(only="dataset"), sandbox=sandbox)
    return [] if report.score == SAMPLE_POINTS else [f"the next submission got {report.score:g} of {SAMPLE_POINTS:g}"]
