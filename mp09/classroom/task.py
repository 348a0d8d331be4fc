"""Grades one submission, in a process that does nothing else: what every executor runs.

Takes and returns plain values, so that it works in a local process and on a machine of a cluster alike.
"""

import atexit
import os
from dataclasses import dataclass
from pathlib import Path

from mp09.data.source import holdout_file
from mp09.errors import GradingError, Mp09Error
from mp09.files import scratch_folder
from mp09.grading.grade import Watcher, grade
from mp09.grading.report import GradeReport
from mp09.grading.sandbox import Sandbox, Settings

_open: dict[tuple, Sandbox] = {}  # this process' own; a warm process serves all its submissions


@dataclass(frozen=True)
class Place:
    """Where things lie on the machine that grades: kit (models.py, resnet18.pt), tests, data."""

    kit: Path
    tests: Path
    data: Path


@dataclass(frozen=True)
class Rules:
    """settings: of the sandbox; timeout_s: for one submission."""

    settings: Settings
    timeout_s: float


@dataclass(frozen=True)
class Outcome:
    """report: None when the grader could not do its work; then `problem` says why."""

    key: str
    report: GradeReport | None
    problem: str = ""


def grade_source(key: str, source: bytes | None, place: Place, rules: Rules, watcher: Watcher | None = None) -> Outcome:
    """Grade the bytes of a submitted.py; None: the student handed in none."""
    try:
        with scratch_folder() as folder:
            folder.chmod(0o700)  # workers get a copy, and nobody else reads this one
            if source is not None:
                (folder / "submitted.py").write_bytes(source)
            options = {"kit": place.kit, "tests": place.tests, "data": place.data, "timeout_s": rules.timeout_s}
            return Outcome(key, grade(folder, sandbox=_sandbox(place, rules), watcher=watcher, **options))
    except (Mp09Error, OSError) as error:  # ours: a submission's own errors are diagnoses
        close()  # a fresh one for the next submission
        return Outcome(key, None, str(error))


def close() -> None:
    """End this process' warm process, if there is one; each is closed once, whoever calls."""
    while _open:
        _open.popitem()[1].close()


def _sandbox(place: Place, rules: Rules) -> Sandbox:
    key = (place, rules, os.getpid())
    if key not in _open:
        if not _open:
            atexit.register(close)
        try:
            _open[key] = Sandbox(rules.settings, guarded=[place.tests, holdout_file(place.data).parent])
        except OSError as error:
            raise GradingError(f"the sandbox could not start: {error}") from error
    return _open[key]
