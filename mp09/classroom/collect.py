"""Finds the submissions in what Gradescope or Canvas exports, or in any folder or zip of folders, zips and .py files.

Only bytes of files called submitted.py are ever taken out, so nothing that a zip names can land anywhere. What is wrong
with a student's files, or alike about two names, is the problem of that student alone.

    Gradescope    submission_metadata.yml beside one folder a submission
    Canvas        NAME[_LATE]_USER_ATTACHMENT_FILE, all in one folder
    otherwise     one folder, zip or .py file a submission, named after the student
"""

import hashlib
import io
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from mp09.classroom.contents import FILE, FOLDER, LINK, Tree, Unreadable, folder_tree, renamed, zip_tree
from mp09.errors import ClassError
from mp09.grading import rubric
from mp09.grading.diagnose.calls import LINKED
from mp09.grading.replies import readable

SUBMITTED = "submitted.py"
METADATA = "submission_metadata.yml"
ZIP_BYTES = 64 << 20
KEY_BYTES, NAME_BYTES = 200, 150  # a file name may have 255; of a name that something follows in the key
DIGITS = 8  # of a hash in a key
EXPORT = re.compile(r"assignment_\d+_export")  # what Gradescope calls the folder around an export
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?:\d+_(?P<file>.+)|text\.html)")
REPEATED = re.compile(r"-\d+(?=\.\w+$)")  # Canvas numbers a file that was handed in again: submitted-2.py


@dataclass(frozen=True)
class Handin:
    """One submission. key: unique, fit for a file name; source: of submitted.py, None without one.

    problem: why it could not be read, "" when it could; then it is the instructor's turn, and nothing is graded.
    """

    key: str
    name: str
    source: bytes | None = None
    problem: str = ""
    email: str = ""
    sid: str = ""
    submitted_at: str = ""
    late: bool = False


def collect(path: Path) -> tuple[list[Handin], list[str]]:
    """All submissions of an export, by key, and the names of what was left aside.

    Raises ClassError when this is no export, or it holds nothing.
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
    handins, aside = read(tree, top)
    if not handins:
        raise ClassError(f"{path}: no submissions here; expected a folder, zip or .py file for each.")
    return sorted(_keyed(handins), key=lambda handin: handin.key), aside


def _gradescope(tree: Tree, top: dict[str, str]) -> tuple[list[Handin], list[str]]:
    described = _described(tree)
    folders = {name for name, kind in top.items() if kind in (FOLDER, LINK)}
    handins = []
    for folder in sorted({*described, *folders}):
        about = described.get(folder, {})
        people = [_words(person) for person in _list(about.get(":submitters"))]
        emails, sids, names = ([p[name] for p in people if p.get(name)] for name in ("email", "sid", "name"))
        own = {"email": ",".join(emails), "sid": ",".join(sids), "submitted_at": _text(about.get(":created_at"))}
        # A submission that is handed in anew has another folder; the student stays.
        key = ",".join(sorted(emails or sids)) or folder
        handins.append(_handin(key, _entry(tree, folder, top.get(folder)), name=" and ".join(names), **own))
    return handins, sorted(top.keys() - folders - {METADATA})


def _described(tree: Tree) -> dict[str, dict]:
    """Folder -> what Gradescope says of it; an entry that is no mapping says nothing. Raises ClassError for no entries.

    The loader knows text, lists and mappings alone: no numbers, none of Ruby's objects, no merging; and only text is
    looked at, so what aliases repeat is never written out.
    """
    import yaml

    try:
        described = yaml.load(tree.read(METADATA, ZIP_BYTES), yaml.BaseLoader)
        return {_text(folder): about for folder, about in described.items() if isinstance(about, dict)}
    except Exception as error:  # whatever stands in a file that should be Gradescope's
        raise ClassError(f"{METADATA}: not readable: {error!r:.300}") from error


def _list(value: object) -> list:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _words(person: object) -> dict[str, str]:
    """Ruby's symbols as plain names -> text."""
    pairs = person.items() if isinstance(person, dict) else ()
    return {_text(name).lstrip(":"): _text(value) for name, value in pairs}


def _is_canvas(top: dict[str, str]) -> bool:
    """Whether there are files alone, most of them named as Canvas does."""
    return FOLDER not in top.values() and 2 * sum(map(bool, map(CANVAS.fullmatch, top))) > len(top)


def _canvas(tree: Tree, top: dict[str, str]) -> tuple[list[Handin], list[str]]:
    students: dict[tuple[str, str], list[re.Match]] = {}
    for match in filter(None, map(CANVAS.fullmatch, top)):
        students.setdefault((match["name"], match["user"]), []).append(match)
    handins = []
    for (name, user), files in students.items():
        given = {REPEATED.sub("", match["file"] or "text.html"): match[0] for match in files}
        own = renamed(tree, {file: (as_given, top[as_given]) for file, as_given in given.items()})
        late = any(match["late"] for match in files)
        # The number stays whole: it is what Canvas' gradebook knows a student by.
        handins.append(_handin(f"{_short(name, NAME_BYTES)}_{user}", own, name=name, sid=user, late=late))
    return handins, [name for name in top if not CANVAS.fullmatch(name)]


def _plain(tree: Tree, top: dict[str, str]) -> tuple[list[Handin], list[str]]:
    handins, aside = [], []
    for name, kind in top.items():
        suffix = name.lower().endswith((".zip", ".py")) and kind != FOLDER
        if (suffix and kind in (FILE, LINK)) or kind in (FOLDER, LINK):
            handins.append(_handin(name.rpartition(".")[0] if suffix else name, _entry(tree, name, kind)))
        else:
            aside.append(name)
    return handins, aside


def _entry(tree: Tree, name: str, kind: str | None) -> Tree:
    """What one student handed in. kind: None when there is nothing of this name."""
    if kind == FOLDER:
        return tree.below(name)
    own = name if kind == FILE and name.lower().endswith(".zip") else SUBMITTED
    return renamed(tree, {own: (name, kind)} if kind else {})


def _handin(key: str, tree: Tree, *, name: str = "", **about) -> Handin:
    about["name"] = name if name.strip() else key
    words = {n: " ".join(readable(v).split("\n")) if isinstance(v, str) else v for n, v in about.items()}
    try:
        return Handin(key, source=_source(tree), **words)
    except Exception as error:  # whatever a student's files do, it is this student's problem
        return Handin(key, problem=readable(str(error)) or type(error).__name__, **words)


def _source(tree: Tree) -> bytes | None:
    """submitted.py of one submission: the least deep one, or that in its only zip. None when there is none."""
    zips, links = [], False
    for level in tree.levels():
        found = [name for name in level if name.split("/")[-1] == SUBMITTED and level[name] in (FILE, LINK)]
        if any(level[name] == LINK for name in found):
            raise Unreadable(LINKED)
        if len(found) > 1:
            raise Unreadable(f"several files could be meant: {', '.join(found)}")
        if found:
            return tree.read(found[0], rubric.SOURCE_LIMIT)
        zips += [name for name, kind in level.items() if kind == FILE and name.lower().endswith(".zip")]
        links |= LINK in level.values()
    if len(zips) == 1:
        return _source(zip_tree(zips[0], io.BytesIO(tree.read(zips[0], ZIP_BYTES)), nested=True))
    if links:
        raise Unreadable(LINKED)
    return None


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
    """Whether the only folder of an export is not a submission, but holds them.

    What a student put into it must not decide about names: a folder with Gradescope's metadata is Gradescope's only
    if it is called so.
    """
    if kind != FOLDER:
        return False
    top = tree.below(name).top()
    if METADATA in top:
        return bool(EXPORT.match(name))
    many = sum(kind == FOLDER or inner.lower().endswith(".zip") for inner, kind in top.items()) > 1
    return SUBMITTED not in top and (many or _is_canvas(top))


# Keys ---------------------------------------------------------------------------------------------------------------


def _keyed(handins: list[Handin]) -> Iterator[Handin]:
    """With keys that are fit for file names, and differ even where case and forms of Unicode don't count.

    A key is the same in every run with the same names. Where two would be alike, the one that is its student's very
    name stays, and the others get a hash of theirs.
    """
    same: dict[str, list[Handin]] = {}
    for handin in handins:
        same.setdefault(handin.key, []).append(handin)
    taken: set[str] = set()
    for name in sorted(same, key=lambda name: (_safe(name) != name, name)):
        keys = (_safe(name) if number == 0 else _hashed(_safe(name), name, number) for number in count())
        key = next(key for key in keys if _folded(key) not in taken)
        taken.add(_folded(key))
        first, *others = same[name]
        if others:
            problem = f"there are {1 + len(others)} submissions under this name; keep one of them"
            first = replace(first, source=None, problem=problem)
        yield replace(first, key=key)


def _safe(name: str) -> str:
    safe = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).strip(".") or "_"
    return safe if len(safe.encode()) <= KEY_BYTES else _hashed(safe, name, 1)


def _short(name: str, limit: int) -> str:
    return name if len(_bytes(name)) <= limit else _hashed(name, name, 1, limit)


def _hashed(start: str, name: str, number: int, limit: int = KEY_BYTES) -> str:
    """As much of `start` as there is room for in `limit` bytes, and a hash of the whole name."""
    digest = hashlib.sha256(_bytes(name) * number).hexdigest()[:DIGITS]
    return f"{_bytes(start)[: limit - DIGITS - 1].decode(errors='ignore')}-{digest}"


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogatepass")  # a file's name need not be text


def _folded(key: str) -> str:
    return unicodedata.normalize("NFC", key.casefold())
