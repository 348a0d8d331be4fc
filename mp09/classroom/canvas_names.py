"""Reads the names that Canvas gives to the files of a class.

    NAME[_LATE]_USER_ATTACHMENT_FILE     section3group_4_78_902_submitted.py
    NAME[_LATE]_USER_text.html           what was typed; _link.html is an address
    anon_CODE[_LATE]_ATTACHMENT_FILE     when grading is anonymous; LATE_anon_CODE_... stands for the same

A name of a student or group may end in numbers, so the last two numbers before the file are taken. Where numbers stand
in several places, one of them belongs to a name that a person has chosen: to a group's, or to the file's. Then the
name is read like others of the same student, or else not at all, because a file's name must not decide whose it is.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

ANONYMOUS = re.compile(
    r"(?P<late>LATE_)?(?P<name>anon_[^_]+)_(?P<later>LATE_)?(?:\d+_(?P<file>.+)|(?:text|link)\.html)"
)
NUMBERS = re.compile(r"(?:_\d+){2,}(?=_.)")  # what stands before a file
PAGE = re.compile(r"_(?P<user>\d+)_(?P<page>(?:text|link)\.html)$")
LATE = "_LATE"
REPEATED = re.compile(r"-\d+(?=\.\w+$)")  # Canvas numbers files that are submitted again: submitted-2.py


@dataclass(frozen=True)
class CanvasName:
    """Says what a name tells.

    Attributes:
        student: the name of the student or group, as Canvas writes it.
        user: the number of the student in Canvas; "" when grading is anonymous.
        late: whether Canvas marks the submission as late.
        file: the student's own name for the file, without the number of a repetition.
    """

    student: str
    user: str
    late: bool
    file: str


def read_names(names: Iterable[str]) -> dict[str, CanvasName | None]:
    """Read the names that look like Canvas' own; None stands for one that can be read in several ways.

    Names of another form are left out.
    """
    readings = {name: found for name in names if (found := _readings(name))}
    known = {(one.student, one.user) for found in readings.values() if len(found) == 1 for one in found}
    chosen: dict[str, CanvasName | None] = {}
    for name, found in readings.items():
        fitting = found if len(found) == 1 else [one for one in found if (one.student, one.user) in known]
        chosen[name] = fitting[0] if len(fitting) == 1 else None
    return chosen


def _readings(name: str) -> list[CanvasName]:
    """Return every way in which a name can be read."""
    if match := ANONYMOUS.fullmatch(name):
        late = bool(match["late"] or match["later"])
        return [CanvasName(match["name"], "", late, _file(match["file"] or "text.html"))]
    if match := PAGE.search(name):
        return [_reading(name[: match.start()], match["user"], match["page"])]
    found = []
    for match in NUMBERS.finditer(name):
        *others, user, _attachment = match[0].split("_")
        found.append(_reading(name[: match.start()] + "_".join(others), user, name[match.end() + 1 :]))
    return [one for one in found if one.student]


def _reading(student: str, user: str, file: str) -> CanvasName:
    return CanvasName(student.removesuffix(LATE), user, student.endswith(LATE), _file(file))


def _file(name: str) -> str:
    return REPEATED.sub("", name)
