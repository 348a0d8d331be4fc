"""Reads the names that Canvas gives to the files of a class.

    NAME[_LATE]_USER_ATTACHMENT_FILE     section3group_4_78_902_submitted.py
    NAME[_LATE]_USER_text.html           what was typed; _link.html is an address
    anon_CODE[_LATE]_ATTACHMENT_FILE     when grading is anonymous; LATE_anon_CODE_... stands for the same

A group's name may end in numbers, and a file's name may begin with some, or hold any. So one name can often be read in
several ways. Which is right follows from the other files of the class: from other names of the same student, or from
the size of Canvas' numbers. Where that leaves a doubt, a name is not read, because a file's name must not decide whose
it is.
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
FACTOR = 10  # numbers of one class differ by no larger factor
OTHER_SCHOOL = 10**13  # users of a school that shares this Canvas have numbers from here on
REPEATED = re.compile(r"-\d+(?=\.\w+$)")  # Canvas numbers files that are submitted again: submitted-2.py


@dataclass(frozen=True)
class CanvasName:
    """Says what a name tells.

    Attributes:
        student: the name of the student or group, as Canvas writes it.
        user: the number of the student in Canvas; "" when grading is anonymous.
        late: whether Canvas marks the submission as late.
        file: the student's own name for the file, without the number of a repetition.
        attachment: Canvas' number for the file; 0 where the name has none.
    """

    student: str
    user: str
    late: bool
    file: str
    attachment: int = field(default=0, compare=False)


def read_names(names: Iterable[str]) -> dict[str, CanvasName | None]:
    """Read the names that look like Canvas' own; None stands for one that can be read in several ways.

    Names of another form are left out.
    """
    readings = {name: found for name in names if (found := _readings(name))}
    sure = [found[0] for found in readings.values() if len(found) == 1]
    return {name: found[0] if len(found) == 1 else _chosen(found, sure) for name, found in readings.items()}


def _chosen(found: list[CanvasName], sure: list[CanvasName]) -> CanvasName | None:
    """Choose one of several readings, or none, by what is sure about the other files of the class.

    It is the reading as a student who has other files. Or else it is the only one whose numbers are like those of the
    others; where these tell nothing, the last. A number that belongs to somebody else is nobody's.
    """
    known = [one for one in found if any((one.student, one.user) == (other.student, other.user) for other in sure)]
    alike = [one for one in found if _is_alike(one, sure)]
    fitting = known or (alike if any(one.user for one in sure) else found[-1:])
    if len(fitting) != 1:
        return None
    owners = {other.student for other in sure if other.user == fitting[0].user}
    return fitting[0] if owners <= {fitting[0].student} else None


def _is_alike(one: CanvasName, sure: list[CanvasName]) -> bool:
    """Return whether the numbers of a reading have about the size of those that are sure."""
    users = [int(other.user) for other in sure if other.user]
    attachments = [other.attachment for other in sure if other.attachment]
    fits = _within(int(one.user), users) or int(one.user) >= OTHER_SCHOOL
    return fits and (not one.attachment or not attachments or _within(one.attachment, attachments))


def _within(number: int, numbers: list[int]) -> bool:
    return bool(numbers) and min(numbers) / FACTOR <= number <= max(numbers) * FACTOR


def _readings(name: str) -> list[CanvasName]:
    """Return every way in which a name can be read, from left to right."""
    if match := ANONYMOUS.fullmatch(name):
        late = bool(match["late"] or match["later"])
        return [CanvasName(match["name"], "", late, _file(match["file"] or "text.html"))]
    page = PAGE.search(name)
    found = []
    for run in NUMBERS.finditer(name):
        numbers = run[0].split("_")[1:]
        for index in range(len(numbers) - 1):
            student = "_".join([name[: run.start()], *numbers[:index]])
            file = "_".join([*numbers[index + 2 :], name[run.end() + 1 :]])
            if not (page and file == page["page"]):  # it has no attachment
                found.append(_reading(student, numbers[index], file, int(numbers[index + 1])))
    if page:
        found.append(_reading(name[: page.start()], page["user"], page["page"], 0))
    return [one for one in found if one.student]


def _reading(student: str, user: str, file: str, attachment: int) -> CanvasName:
    return CanvasName(student.removesuffix(LATE), user, student.endswith(LATE), _file(file), attachment)


def _file(name: str) -> str:
    return REPEATED.sub("", name)
