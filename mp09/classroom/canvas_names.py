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
from dataclasses import dataclass, field

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
        run: where in the name the numbers begin that were read.
    """

    student: str
    user: str
    late: bool
    file: str
    run: int = field(default=0, compare=False)


def read_names(names: Iterable[str]) -> dict[str, CanvasName | None]:
    """Read the names that look like Canvas' own; None stands for one that can be read in several ways.

    Names of another form are left out.
    """
    readings = {name: found for name in names if (found := _readings(name))}
    sure = [found[0] for found in readings.values() if len(found) == 1]
    students = {(one.student, one.user) for one in sure}
    owners = {one.user: one.student for one in sure if one.user}
    return {name: _chosen(found, students, owners) for name, found in readings.items()}


def _chosen(found: list[CanvasName], students: set[tuple[str, str]], owners: dict[str, str]) -> CanvasName | None:
    """Choose a reading: that of a student who has other files, or else the last, if its number is nobody else's."""
    known = [one for one in found if (one.student, one.user) in students]
    if len(known) == 1:
        return known[0]
    last = found[-1]
    together = all(one.student.startswith(found[0].student) and one.run == last.run for one in found)
    return last if not known and together and owners.get(last.user, last.student) == last.student else None


def _readings(name: str) -> list[CanvasName]:
    """Return every way in which a name can be read, from left to right.

    Canvas numbers files later than people, so an attachment has the larger number, where one reading has that.
    """
    if match := ANONYMOUS.fullmatch(name):
        late = bool(match["late"] or match["later"])
        return [CanvasName(match["name"], "", late, _file(match["file"] or "text.html"))]
    found, plausible = [], []
    for run in NUMBERS.finditer(name):
        numbers = run[0].split("_")[1:]
        for index in range(len(numbers) - 1):
            student = "_".join([name[: run.start()], *numbers[:index]])
            file = "_".join([*numbers[index + 2 :], name[run.end() + 1 :]])
            one = _reading(student, numbers[index], file, run.start())
            found.append(one)
            if int(numbers[index + 1]) > int(numbers[index]):
                plausible.append(one)
    if match := PAGE.search(name):
        one = _reading(name[: match.start()], match["user"], match["page"], match.start())
        found.append(one)
        plausible.append(one)
    return [one for one in plausible or found if one.student]


def _reading(student: str, user: str, file: str, run: int) -> CanvasName:
    return CanvasName(student.removesuffix(LATE), user, student.endswith(LATE), _file(file), run)


def _file(name: str) -> str:
    return REPEATED.sub("", name)
