"""Grades one submission, in a process that does nothing else. This is what every pool runs.

It takes and returns plain values, so it works in a local process as well as on a machine of a cluster.
"""

import atexit
import os
from dataclasses import dataclass

from mp09.data.provenance import holdout_file
from mp09.errors import GradingError, Mp09Error
from mp09.files import scratch_folder
from mp09.grading.assignment import Assignment, GradeOptions
from mp09.grading.grade import Watcher, grade
from mp09.grading.report import GradeReport
from mp09.grading.sandbox.sandbox import Sandbox, Settings

# This process' own sandbox, which serves all of its submissions. The key ends with the process' id.
_open: "dict[tuple[Assignment, Rules, int], Sandbox]" = {}


@dataclass(frozen=True)
class Rules:
    """Says how submissions are graded: the settings of the sandbox, and the time limit of one submission in seconds."""

    settings: Settings
    timeout_s: float


@dataclass(frozen=True)
class Outcome:
    """Holds the outcome of grading one submission.

    Attributes:
        key: the submission's key.
        report: the result; None when the grader could not do its work.
        problem: why there is no report, or "".
    """

    key: str
    report: GradeReport | None
    problem: str = ""


def grade_source(
    key: str, source: bytes | None, assignment: Assignment, rules: Rules, watcher: Watcher | None = None
) -> Outcome:
    """Grade the bytes of one submitted.py.

    Args:
        key: the submission's key, which the outcome carries.
        source: the bytes; None if the student submitted no file.
        assignment: the folders with the assignment.
        rules: the sandbox's settings and the time limit.
        watcher: is told of every test, and may break off the grading by an exception.
    """
    try:
        with scratch_folder() as folder:
            folder.chmod(0o700)  # nobody else may read it; workers get a copy
            if source is not None:
                (folder / "submitted.py").write_bytes(source)
            options = GradeOptions(timeout_s=rules.timeout_s)
            sandbox = _sandbox(assignment, rules)
            return Outcome(key, grade(folder, assignment, options, sandbox=sandbox, watcher=watcher))
    except (Mp09Error, OSError) as error:  # these are the grader's; a submission's errors become diagnoses
        close()  # the next submission gets a fresh sandbox
        return Outcome(key, None, str(error))


def close() -> None:
    """Close this process' sandbox, if one is open. It is safe to call this more than once."""
    while _open:
        _open.popitem()[1].close()


def _sandbox(assignment: Assignment, rules: Rules) -> Sandbox:
    key = (assignment, rules, os.getpid())
    if key not in _open:
        if not _open:
            atexit.register(close)
        try:
            _open[key] = Sandbox(rules.settings, guarded=[assignment.tests, holdout_file(assignment.data).parent])
        except OSError as error:
            raise GradingError(f"the sandbox could not start: {error}") from error
    return _open[key]
