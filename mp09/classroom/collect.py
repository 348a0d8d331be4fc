"""Finds the submissions in what Gradescope or Canvas exports, or in any folder or zip of folders, zips and .py files.

Only bytes of files called submitted.py are ever taken out, so nothing that a zip names can land anywhere.

    Gradescope    submission_metadata.yml beside one folder a submission
    Canvas        NAME[_LATE]_USER_ATTACHMENT_FILE, all in one folder
    otherwise     one folder, zip or .py file a submission, named after the student
"""

import io
import os
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mp09.errors import ClassError
from mp09.grading.replies import readable

SUBMITTED = "submitted.py"
METADATA = "submission_metadata.yml"
SOURCE_BYTES = 1 << 20  # nobody writes more by hand
ZIP_BYTES = 64 << 20
ZIP_FILES, CLASS_FILES = 10_000, 500_000  # in a student's zip; in an export
NAME_LENGTH, KEY_LENGTH = 1000, 200
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?:\d+_(?P<file>.+)|text\.html)")
REPEATED = re.compile(r"-\d+(?=\.\w+$)")  # Canvas numbers a file that was handed in again: submitted-2.py
JUNK = ("._", ".DS_Store", "__MACOSX")  # how names of what only computers put there begin


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


class Unreadable(Exception):  # noqa: N818 (what it says of a file)
    """A file of a submission can't be taken as it is; the message says why."""


class Tree:
    """Regular files below a folder or in a zip: names with "/", and their first bytes. folders: empty ones too."""

    def __init__(self, names: Iterable[str], open_, folders: Iterable[str] = ()):
        self.names, self.folders = (
            sorted(name for name in some if not any(part.startswith(JUNK) for part in name.split("/")))
            for some in (names, folders)
        )
        self._open = open_

    def read(self, name: str, limit: int) -> bytes:
        """Raises Unreadable for a damaged file, or one of more than `limit` bytes, whatever size it claims to have."""
        try:
            with self._open(name) as file:
                content = file.read(limit + 1)
        except Exception as error:  # zlib, lzma, bz2 and zipfile have errors of many kinds
            raise Unreadable(f"{name}: {error}") from error
        if len(content) > limit:
            raise Unreadable(f"{name}: larger than {limit >> 10} KiB")
        return content

    def top(self) -> dict[str, list[str]]:
        """First parts of the names -> what is below each; for a file: itself, as ""."""
        found: dict[str, list[str]] = {folder.partition("/")[0]: [] for folder in self.folders}
        for name in self.names:
            first, _, rest = name.partition("/")
            found.setdefault(first, []).append(rest)
        return found

    def below(self, folder: str) -> "Tree":
        prefix = f"{folder}/"
        names, folders = (
            [name.removeprefix(prefix) for name in some if name.startswith(prefix)]
            for some in (self.names, self.folders)
        )
        return Tree(names, lambda name: self._open(prefix + name), folders)


def collect(path: Path) -> tuple[list[Handin], list[str]]:
    """All submissions of an export, by key, and the names of what was left aside.

    Raises:
        ClassError: this is no export, it holds nothing, or two submissions have one name.
    """
    tree = _tree(path)
    top = tree.top()
    while len(top) == 1 and _is_wrapper(inner := tree.below(next(iter(top)))):
        tree = inner
        top = tree.top()
    if "" in top.get(SUBMITTED, ()):
        raise ClassError(f"{path}: is one submission, not a folder of them: python grade.py --submission {path}")
    handins, aside = _gradescope(tree) if METADATA in top else _canvas(tree) if _is_canvas(tree) else _plain(tree)
    if not handins:
        raise ClassError(f"{path}: no submissions here; expected a folder, zip or .py file for each.")
    same = [key for key, count in Counter(handin.key.casefold() for handin in handins).items() if count > 1]
    if same:
        names = ", ".join(sorted(handin.name for handin in handins if handin.key.casefold() in same))
        raise ClassError(f"{path}: several submissions are called alike: {names}. Rename all but one.")
    return sorted(handins, key=lambda handin: handin.key), aside


def _gradescope(tree: Tree) -> tuple[list[Handin], list[str]]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Ruby's symbols as they are, and none of its objects."""

    Loader.add_multi_constructor("!", lambda *_: None)
    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)
    top = tree.top()
    handins, folders = [], {name for name, below in top.items() if below != [""]}
    try:
        described = yaml.load(tree.read(METADATA, ZIP_BYTES), Loader)
        for folder in sorted({*described, *folders}):
            about = described.get(folder) or {}
            people = [{str(k).lstrip(":"): str(v or "") for k, v in p.items()} for p in about.get(":submitters") or ()]
            emails, sids, names = ([p[name] for p in people if p.get(name)] for name in ("email", "sid", "name"))
            own = {
                "email": ",".join(emails),
                "sid": ",".join(sids),
                "submitted_at": str(about.get(":created_at") or ""),
            }
            # A submission that is handed in anew has another folder; the student stays.
            key = ",".join(sorted(emails or sids)) or folder
            handins.append(_handin(key, tree.below(folder), name=" and ".join(names), **own))
    except Exception as error:  # whatever stands in a file that should be Gradescope's
        raise ClassError(f"{METADATA}: not readable: {error!r:.300}") from error
    return handins, sorted(top.keys() - folders - {METADATA})


def _is_canvas(tree: Tree) -> bool:
    """Whether there are files alone, most of them named as Canvas does."""
    top = tree.top()
    return all(below == [""] for below in top.values()) and 2 * sum(map(bool, map(CANVAS.fullmatch, top))) > len(top)


def _canvas(tree: Tree) -> tuple[list[Handin], list[str]]:
    students: dict[tuple[str, str], list[re.Match]] = {}
    for match in filter(None, map(CANVAS.fullmatch, tree.names)):
        students.setdefault((match["name"], match["user"]), []).append(match)
    handins = []
    for (name, user), files in students.items():
        given = {REPEATED.sub("", match["file"] or "text.html"): match[0] for match in files}
        own = Tree(given, lambda file, given=given: tree._open(given[file]))
        late = any(match["late"] for match in files)
        handins.append(_handin(f"{name}_{user}", own, name=name, sid=user, late=late))
    return handins, [name for name in tree.names if not CANVAS.fullmatch(name)]


def _plain(tree: Tree) -> tuple[list[Handin], list[str]]:
    handins, aside = [], []
    for name, below in tree.top().items():
        if below != [""]:
            handins.append(_handin(name, tree.below(name)))
        elif name.lower().endswith((".zip", ".py")):
            own = SUBMITTED if name.lower().endswith(".py") else name
            handins.append(_handin(name.rpartition(".")[0], Tree([own], lambda _, name=name: tree._open(name))))
        else:
            aside.append(name)
    return handins, aside


def _handin(key: str, tree: Tree, *, name: str = "", **about) -> Handin:
    safe = re.sub(r"[^\w.-]+", "_", key).strip(".")[:KEY_LENGTH] or "_"
    about["name"] = name or key
    words = {n: " ".join(readable(v).split("\n")) if isinstance(v, str) else v for n, v in about.items()}
    try:
        return Handin(safe, source=_source(tree), **words)
    except (Unreadable, RecursionError) as error:
        return Handin(safe, problem=readable(str(error)), **words)


def _source(tree: Tree) -> bytes | None:
    """submitted.py of one submission: the least deep one, or that in its only zip. None when there is none."""
    found = [name for name in tree.names if name.split("/")[-1] == SUBMITTED]
    if found:
        depth = min(name.count("/") for name in found)
        nearest = [name for name in found if name.count("/") == depth]
        if len(nearest) > 1:
            raise Unreadable(f"several files could be meant: {', '.join(nearest)}")
        return tree.read(nearest[0], SOURCE_BYTES)
    zips = [name for name in tree.names if name.lower().endswith(".zip")]
    if len(zips) == 1:
        return _source(_zip_tree(zips[0], io.BytesIO(tree.read(zips[0], ZIP_BYTES)), nested=True))
    return None


def _tree(path: Path) -> Tree:
    if path.is_dir():
        names, folders = [], []
        for folder, _, files in os.walk(path):
            inside = Path(folder).relative_to(path)
            regular = (name for name in files if stat.S_ISREG(os.lstat(os.path.join(folder, name)).st_mode))
            names += [(inside / name).as_posix() for name in regular]  # no links, no pipes
            folders += [inside.as_posix()] * (folder != str(path))
        return Tree(names, lambda name: open(path / name, "rb"), folders)
    if not path.exists():
        raise ClassError(f"{path}: no such folder or zip of submissions.")
    try:
        return _zip_tree(path.name, path, nested=False)
    except Unreadable as error:
        raise ClassError(f"{error}. Expected a folder or zip of submissions.") from error


def _zip_tree(name: str, file: Path | io.BytesIO, *, nested: bool) -> Tree:
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # the directory at its end may say anything
        raise Unreadable(f"{name}: not a readable zip: {error}") from error
    if len(archive.infolist()) > (ZIP_FILES if nested else CLASS_FILES):
        raise Unreadable(f"{name}: more than {ZIP_FILES if nested else CLASS_FILES} files")
    infos = {}
    for info in archive.infolist():
        inside = PurePosixPath(info.filename[: NAME_LENGTH + 1].replace("\\", "/"))
        if len(info.filename) > NAME_LENGTH:
            raise Unreadable(f"{name}: a name of more than {NAME_LENGTH} characters")
        if inside.is_absolute() or ".." in inside.parts or ":" in "".join(inside.parts[:1]):
            raise Unreadable(f"{name}: names files outside of itself, e.g. {info.filename!r}")
        infos[inside.as_posix()] = info
    folders = [n for n, info in infos.items() if info.is_dir()]
    links = {n for n, info in infos.items() if stat.S_ISLNK(info.external_attr >> 16)}
    files = infos.keys() - links - set(folders)
    if nested:  # a zip in a zip in a zip is nobody's homework
        files = {n for n in files if not n.lower().endswith(".zip")}
    return Tree(files, lambda n: archive.open(infos[n]), folders)


def _is_wrapper(tree: Tree) -> bool:
    """Whether the only folder of an export is not a submission, but holds them."""
    if not (top := tree.top()):
        return False  # it is a file
    many = sum(below != [""] or name.lower().endswith(".zip") for name, below in top.items()) > 1
    return METADATA in top or (SUBMITTED not in top and (many or _is_canvas(tree)))
