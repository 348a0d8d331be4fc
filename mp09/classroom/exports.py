"""Writes the grades as CSV: with Gradescope's columns, with Canvas' columns, or as a plain table with more."""

import csv
import io

from mp09.classroom.book_entry import GRADED, Entry
from mp09.classroom.summary import diagnoses_of

ASSIGNMENT = "CNN Image Classifier"
COLUMNS = (
    *("key", "name", "email", "sid", "submitted_at", "late", "status", "problem"),
    *("score", "max_score", "accuracy", "near_step", "diagnoses", "data", "isolation"),
    *("device", "seed", "seconds", "memory_mib"),
)
Cell = str | float | None
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula


def plain(entries: list[Entry]) -> str:
    """Return a table with one row for each submission: who it is from, the result, how it was graded, and test scores.

    The tests' outputs and advice are not in it.
    """
    numbers = _numbers(entries)
    rows: list[list[Cell]] = [[*COLUMNS, *numbers]]
    for entry in entries:
        report = entry.report
        about: list[Cell] = [entry.key, entry.name, entry.email, entry.sid, entry.submitted_at, int(entry.late)]
        about += [entry.status, entry.problem]
        if report:
            about += [report.score, report.max_score, report.accuracy, int(report.near_step)]
            about += [" ".join(diagnoses_of(entry)), report.source, report.sandbox, report.device]
            about += [report.seed, report.seconds, report.memory_mib]
        rows.append([*about, *[""] * (len(COLUMNS) - len(about)), *_scores(entry, numbers)])
    return _csv(rows)


def gradescope(entries: list[Entry]) -> str:
    """Return a table with the columns of Gradescope's "Download grades"."""
    numbers = _numbers(entries)
    tests = {test.number: test for entry in entries if entry.report for test in entry.report.tests}
    titles = [f"{number}: {tests[number].name} ({tests[number].max_score:.1f} pts)" for number in numbers]
    about = ("First Name", "Last Name", "SID", "Email", "Total Score", "Max Points", "Status", "Submission Time")
    rows: list[list[Cell]] = [[*about, *titles]]
    for entry in entries:
        score, maximum = _points(entry)
        status = "Graded" if entry.status == GRADED else "Ungraded"
        for name, sid, email in _people(entry):
            first, last = name.rsplit(" ", 1) if " " in name else (name, "")
            rows.append([first, last, sid, email, score, maximum, status, entry.submitted_at, *_scores(entry, numbers)])
    return _csv(rows)


def canvas(entries: list[Entry]) -> str:
    """Return a table that Canvas' gradebook can import. Its ID is the number in the file names of Canvas' export."""
    rows: list[list[Cell]] = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", ASSIGNMENT]]
    maximum: Cell = max((entry.report.max_score for entry in entries if entry.report), default="")
    rows.append(["    Points Possible", "", "", "", "", maximum])
    for entry in entries:
        for name, sid, email in _people(entry):
            own = entry.key.endswith(f"_{sid}")  # then the number is Canvas' own; otherwise it is the school's
            rows.append([name, *((sid, "") if own else ("", sid)), email, "", _points(entry)[0]])
    return _csv(rows)


FORMATS = {"plain": plain, "gradescope": gradescope, "canvas": canvas}


def _numbers(entries: list[Entry]) -> list[str]:
    """Return the numbers of the tests that give points."""
    return sorted({t.number for entry in entries if entry.report for t in entry.report.tests if t.max_score})


def _points(entry: Entry) -> tuple[Cell, Cell]:
    """Return (score, max_score), or empty cells where no points are final."""
    return (entry.final.score, entry.final.max_score) if entry.final else ("", "")


def _people(entry: Entry) -> list[tuple[str, str, str]]:
    """Return (name, sid, email) of everybody who submitted it: a group has several people."""
    names, sids, emails = entry.name.split(" and "), entry.sid.split(","), entry.email.split(",")
    if len(names) > 1 and len(names) == len(emails):
        return list(zip(names, sids if len(sids) == len(names) else [""] * len(names), emails, strict=True))
    return [(entry.name, entry.sid, entry.email)]


def _scores(entry: Entry, numbers: list[str]) -> list[Cell]:
    scores = {test.number: test.score for test in entry.final.tests} if entry.final else {}
    return [scores.get(number, "") for number in numbers]


def _csv(rows: list[list[Cell]]) -> str:
    """Return rows as CSV text. A quote before it keeps a spreadsheet from computing a name that is a formula."""
    file = io.StringIO()
    writer = csv.writer(file)
    for row in rows:
        writer.writerow([f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell for cell in row])
    return file.getvalue()
