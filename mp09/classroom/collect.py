"""Finds the submissions in an export of Gradescope or Canvas, or in any folder or zip of folders, zips and .py files.

It takes out the bytes of files called submitted.py and writes nothing, so no name in a zip can put a file anywhere.
When a student's files are damaged, or two students' names are alike, nobody else's submission is affected.

Three layouts are known:

    Gradescope    submission_metadata.yml, and beside it one folder for each submission
    Canvas        files called NAME[_LATE]_USER_ATTACHMENT_FILE, all in one folder; see `canvas_names`
    otherwise     one folder, zip or .py file for each submission, named after the student
"""

import io
import re
from dataclasses import replace
from pathlib import Path

from mp09.classroom.canvas_names import CanvasName, read_names
from mp09.classroom.contents import FILE, FOLDER, LINK, Tree, Unreadable, folder_tree, renamed, zip_tree
from mp09.classroom.student_submission import StudentSubmission, keyed, short_name
from mp09.errors import ClassError
from mp09.grading import rubric
from mp09.grading.diagnose.submitted_file import LINKED, SUBMITTED, almost_submitted, taken
from mp09.grading.replies import readable

METADATA = "submission_metadata.yml"
ZIP_BYTES = 64 << 20
EXPORT = re.compile(r"assignment_\d+_export")  # Gradescope's name for the folder around an export
AMBIGUOUS = "Canvas' name of this file can be read in several ways; rename it to NAME_USER_ATTACHMENT_submitted.py"


def collect(path: Path) -> tuple[list[StudentSubmission], list[str]]:
    """Return all submissions of an export, sorted by key, and the names of what was left aside.

    Args:
        path: the export: a folder or a zip.

    Raises:
        ClassError: this is no export, or there are no submissions in it.
    """
    try:
        tree = _tree(path)
        top = tree.top()
        while len(top) == 1 and _is_wrapper(tree, *next(iter(top.items()))):
            tree = tree.below(next(iter(top)))
            top = tree.top()
    except Unreadable as error:
        raise ClassError(f"{path}: {error}. Expected a folder or zip of submissions.") from error
    if SUBMITTED in top:
        raise ClassError(f"{path}: is one submission, not a folder of them: python grade.py --submission {path}")
    read = _gradescope if top.get(METADATA) == FILE else _canvas if _is_canvas(top) else _plain
    submissions, aside = read(tree, top)
    if not submissions:
        raise ClassError(f"{path}: no submissions here; expected a folder, zip or .py file for each.")
    return sorted(keyed(submissions), key=lambda submission: submission.key), aside


def _gradescope(tree: Tree, top: dict[str, str]) -> tuple[list[StudentSubmission], list[str]]:
    described = _described(tree)
    folders = {name for name, kind in top.items() if kind in (FOLDER, LINK)}
    submissions = []
    for folder in sorted({*described, *folders}):
        about = described.get(folder, {})
        people = [_words(person) for person in _list(about.get(":submitters"))]
        emails, sids, names = ([p[name] for p in people if p.get(name)] for name in ("email", "sid", "name"))
        # A student who submits again gets another folder, so the key is made of the student and not of the folder.
        key = ",".join(sorted(emails or sids)) or folder
        submission = StudentSubmission(
            key,
            " and ".join(names),
            email=",".join(emails),
            sid=",".join(sids),
            submitted_at=_text(about.get(":created_at")),
        )
        submissions.append(_read(submission, _entry(tree, folder, top.get(folder))))
    return submissions, sorted(top.keys() - folders - {METADATA})


def _described(tree: Tree) -> dict[str, dict[str, object]]:
    """Return what Gradescope's metadata says of each folder; entries that are no mappings are left out.

    The loader knows only text, lists and mappings: no numbers, no Ruby objects, no merging. Of these only text is
    looked at, so what a malicious file repeats through aliases is never expanded. Raises ClassError when the file
    can't be read, or is no mapping.
    """
    import yaml

    try:
        described = yaml.load(tree.read(METADATA, ZIP_BYTES), yaml.BaseLoader)
        return {_text(folder): about for folder, about in described.items() if isinstance(about, dict)}
    except Exception as error:  # the file may be anybody's, and hold anything
        raise ClassError(f"{METADATA}: not readable: {error!r:.300}") from error


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _words(person: object) -> dict[str, str]:
    """Turn a mapping with Ruby's symbols for keys into one with plain names and text."""
    pairs = person.items() if isinstance(person, dict) else ()
    return {_text(name).lstrip(":"): _text(value) for name, value in pairs}


def _is_canvas(top: dict[str, str]) -> bool:
    """Say whether there are no folders, and more than half of the files are named as Canvas does it."""
    return FOLDER not in top.values() and 2 * len(read_names(top)) > len(top)


def _canvas(tree: Tree, top: dict[str, str]) -> tuple[list[StudentSubmission], list[str]]:
    students: dict[tuple[str, str], dict[str, CanvasName]] = {}
    submissions = []
    names = read_names(top)
    for as_given, name in names.items():
        if name:
            students.setdefault((name.student, name.user), {})[as_given] = name
        else:
            submissions.append(StudentSubmission(as_given, _in_line(as_given), problem=AMBIGUOUS))
    for (student, user), files in students.items():
        own = renamed(tree, {name.file: (as_given, top[as_given]) for as_given, name in files.items()})
        late = any(name.late for name in files.values())
        # Only the name is cut: by the number Canvas' gradebook knows the student.
        key = f"{short_name(student)}_{user}" if user else student
        submissions.append(_read(StudentSubmission(key, student, sid=user, late=late), own))
    return submissions, [name for name in top if name not in names]


def _plain(tree: Tree, top: dict[str, str]) -> tuple[list[StudentSubmission], list[str]]:
    submissions, aside = [], []
    for name, kind in top.items():
        suffix = name.lower().endswith((".zip", ".py")) and kind != FOLDER
        if (suffix and kind in (FILE, LINK)) or kind in (FOLDER, LINK):
            key = name.rpartition(".")[0] if suffix else name
            submissions.append(_read(StudentSubmission(key, key), _entry(tree, name, kind)))
        else:
            aside.append(name)
    return submissions, aside


def _entry(tree: Tree, name: str, kind: str | None) -> Tree:
    """Return what one student submitted; `kind` is None when nothing has this name."""
    if kind == FOLDER:
        return tree.below(name)
    own = name if kind == FILE and name.lower().endswith(".zip") else SUBMITTED
    return renamed(tree, {own: (name, kind)} if kind else {})


def _read(submission: StudentSubmission, tree: Tree) -> StudentSubmission:
    """Return a submission with its source from `tree`, or with why that can't be read, and with texts of one line."""
    submission = replace(
        submission,
        name=_in_line(submission.name if submission.name.strip() else submission.key),
        email=_in_line(submission.email),
        sid=_in_line(submission.sid),
        submitted_at=_in_line(submission.submitted_at),
    )
    try:
        source, remark = _source(tree)
        return replace(submission, source=source, remark=remark)
    except Exception as error:  # no student's files may stop the others from being read
        return replace(submission, problem=readable(str(error)) or type(error).__name__)


def _in_line(text: str) -> str:
    return " ".join(readable(text).split("\n"))


def _source(tree: Tree) -> tuple[bytes | None, str]:
    """Return the least deep submitted.py of a submission, or else the one in its only zip, or None; and a remark.

    Without any, a file is taken whose name is almost that, if it is the only one; the remark says so.
    """
    files, links = [], False
    for level in tree.levels():
        found = [name for name in level if name.split("/")[-1] == SUBMITTED and level[name] in (FILE, LINK)]
        if any(level[name] == LINK for name in found):
            raise Unreadable(LINKED)
        if len(found) > 1:
            raise Unreadable(f"several files could be meant: {', '.join(found)}")
        if found:
            return tree.read(found[0], rubric.SOURCE_LIMIT), ""
        files += [name for name, kind in level.items() if kind == FILE]
        links |= LINK in level.values()
    zips = [name for name in files if name.lower().endswith(".zip")]
    if almost := almost_submitted(files):
        return tree.read(almost, rubric.SOURCE_LIMIT), taken(almost)
    if len(zips) == 1:
        return _source(zip_tree(zips[0], io.BytesIO(tree.read(zips[0], ZIP_BYTES)), nested=True))
    if links:
        raise Unreadable(LINKED)
    return None, ""


def _tree(path: Path) -> Tree:
    if path.is_dir():
        return folder_tree(path)
    if not path.exists():
        raise ClassError(f"{path}: no such folder or zip of submissions.")
    try:
        return zip_tree(path.name, open(path, "rb", buffering=0), nested=False)
    except OSError as error:
        raise ClassError(f"{path}: {error.strerror}") from error


def _is_wrapper(tree: Tree, name: str, kind: str) -> bool:
    """Say whether the only folder of an export holds the submissions, rather than being one itself.

    A student must not be able to decide about names. So a folder with Gradescope's metadata counts as Gradescope's only
    if it also has the name that Gradescope gives.
    """
    if kind != FOLDER:
        return False
    top = tree.below(name).top()
    if METADATA in top:
        return bool(EXPORT.match(name))
    many = sum(kind == FOLDER or inner.lower().endswith(".zip") for inner, kind in top.items()) > 1
    return SUBMITTED not in top and (many or _is_canvas(top))
