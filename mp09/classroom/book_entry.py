"""Defines what a gradebook holds of one submission, and turns this into columns of a table and back."""

import json
import sqlite3
from dataclasses import dataclass

from mp09.grading.report import GradeReport, TestResult

GRADED, FAULT, UNREADABLE = "graded", "infrastructure fault", "unreadable"
Columns = dict[str, str | float | None]  # the value of each column


@dataclass(frozen=True)
class Entry:
    """Holds what the book says of one submission.

    Most attributes are those of `StudentSubmission`. The others are:

    Attributes:
        digest: of what was submitted; it tells whether that has changed.
        status: GRADED, FAULT (the grader could not do its work) or UNREADABLE.
        problem: why it could not be read or graded, or its copy could not be kept; "" otherwise.
        report: the result; None when nothing could be graded.
    """

    key: str
    name: str
    email: str
    sid: str
    submitted_at: str
    late: bool
    digest: str
    status: str
    problem: str
    report: GradeReport | None

    @property
    def final(self) -> GradeReport | None:
        """The report, if it has a grade; None where something could not be graded, as no points are final then."""
        return self.report if self.status == GRADED else None


@dataclass(frozen=True)
class Known:
    """Holds what decides whether a submission is graded again: name, digest and status as in `Entry`."""

    name: str
    digest: str
    status: str


def columns_of(report: GradeReport) -> Columns:
    """Return what the row of a submission holds of its report."""
    return {
        "score": report.score,
        "max_score": report.max_score,
        "accuracy": report.accuracy,
        "near_step": report.near_step,
        "source": report.source,
        "scored": report.scored,
        "isolation": report.sandbox,
        "remarks": json.dumps(report.remarks),
        "file_remark": report.file_remark,
        "device": report.device,
        "versions": json.dumps(report.versions, sort_keys=True),
        "seed": report.seed,
        "seconds": report.seconds,
        "memory_mib": report.memory_mib,
    }


def entry_in(row: sqlite3.Row, tests: tuple[TestResult, ...]) -> Entry:
    """Return what a row of the table `submission` says, with the tests of this submission."""
    report = None
    if row["score"] is not None:
        report = GradeReport(
            tests=tests,
            score=row["score"],
            max_score=row["max_score"],
            status=row["status"],
            sandbox=row["isolation"],
            source=row["source"],
            scored=row["scored"],
            accuracy=row["accuracy"],
            seconds=row["seconds"],
            seed=row["seed"],
            near_step=bool(row["near_step"]),
            memory_mib=row["memory_mib"],
            remarks=tuple(json.loads(row["remarks"])),
            file_remark=(row["file_remark"] if "file_remark" in row.keys() else None) or "",  # noqa: SIM118 (sqlite3.Row)
            device=row["device"],
            versions=json.loads(row["versions"]),
        )
    return Entry(
        key=row["key"],
        name=row["name"],
        email=row["email"],
        sid=row["sid"],
        submitted_at=row["submitted_at"],
        late=bool(row["late"]),
        digest=row["digest"],
        status=row["status"],
        problem=row["problem"],
        report=report,
    )
