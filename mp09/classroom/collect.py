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

SUBMITTED = "submitted.py"
METADATA = "submission_metadata.yml"
SOURCE_BYTES = 1 << 20  # nobody writes more by hand
ZIP_BYTES = 64 << 20
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<user>\d+)_(?P<attachment>\d+)_(?P<file>.+)")
REPEATED = re.compile(r"-\d+(?=\.\w+$)")  # Canvas numbers a file that was handed in again: submitted-2.py
JUNK = ("__MACOSX/", "._", ".DS_Store")


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
    """Regular files below a folder or in a zip: names with "/", and their first bytes."""

    def __init__(self, names: Iterable[str], open_):
        self.names = sorted(name for name in names if not any(part.startswith(JUNK) for part in _tails(name)))
        self._open = open_

    def read(self, name: str, limit: int) -> bytes:
        """Raises Unreadable for a file of more than `limit` bytes, whatever size it claims to have."""
        try:
            with self._open(name) as file:
                content = file.read(limit + 1)
        except (OSError, RuntimeError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
            raise Unreadable(f"{name}: {error}") from error
        if len(content) > limit:
            raise Unreadable(f"{name}: larger than {limit >> 10} KiB")
        return content

    def top(self) -> dict[str, list[str]]:
        """First parts of the names -> what is below each; for a file: itself, as ""."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            first, _, rest = name.partition("/")
            found.setdefault(first, []).append(rest)
        return found

    def below(self, folder: str) -> "Tree":
        prefix = f"{folder}/"
        names = [name.removeprefix(prefix) for name in self.names if name.startswith(prefix)]
        return Tree(names, lambda name: self._open(prefix + name))


def collect(path: Path) -> list[Handin]:
    """All submissions of an export, by key.

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
    handins = _gradescope(tree) if METADATA in top else _canvas(tree) or _plain(tree)
    if not handins:
        raise ClassError(f"{path}: no submissions here; expected a folder, zip or .py file for each.")
    same = [key for key, count in Counter(handin.key.casefold() for handin in handins).items() if count > 1]
    if same:
        names = ", ".join(sorted(handin.name for handin in handins if handin.key.casefold() in same))
        raise ClassError(f"{path}: several submissions are called alike: {names}. Rename all but one.")
    return sorted(handins, key=lambda handin: handin.key)


def _gradescope(tree: Tree) -> list[Handin]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Ruby's symbols as they are, and none of its objects."""

    Loader.add_multi_constructor("!", lambda *_: None)
    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: node.value)
    try:
        described = yaml.load(tree.read(METADATA, ZIP_BYTES), Loader)
    except (yaml.YAMLError, Unreadable, ValueError) as error:
        raise ClassError(f"{METADATA}: not readable: {error}") from error
    if not isinstance(described, dict):
        raise ClassError(f"{METADATA}: not readable: expected one entry a submission.")
    handins = []
    for folder in sorted({str(key) for key in described} | {n for n, below in tree.top().items() if below != [""]}):
        about = described.get(folder) or {}
        people = [{str(k).lstrip(":"): str(v or "") for k, v in p.items()} for p in about.get(":submitters") or ()]
        handins.append(
            _handin(
                folder,
                tree.below(folder),
                name=" and ".join(p["name"] for p in people if p.get("name")),
                email=",".join(p["email"] for p in people if p.get("email")),
                sid=",".join(p["sid"] for p in people if p.get("sid")),
                submitted_at=str(about.get(":created_at") or ""),
            )
        )
    return handins


def _canvas(tree: Tree) -> list[Handin]:
    """Nothing when a name is not of Canvas' kind."""
    matches = {name: CANVAS.fullmatch(name) for name in tree.names}
    if not all(matches.values()):
        return []
    students: dict[tuple[str, str], list[re.Match]] = {}
    for match in matches.values():
        students.setdefault((match["name"], match["user"]), []).append(match)
    handins = []
    for (name, user), files in students.items():
        given = {REPEATED.sub("", match["file"]): match[0] for match in files}
        own = Tree(given, lambda file, given=given: tree._open(given[file]))
        late = any(match["late"] for match in files)
        handins.append(_handin(f"{name}_{user}", own, name=name, sid=user, late=late))
    return handins


def _plain(tree: Tree) -> list[Handin]:
    handins = []
    for name, below in tree.top().items():
        if below != [""]:
            handins.append(_handin(name, tree.below(name)))
        elif name.endswith((".zip", ".py")):
            own = SUBMITTED if name.endswith(".py") else name
            handins.append(_handin(name.rpartition(".")[0], Tree([own], lambda _, name=name: tree._open(name))))
    return handins


def _handin(key: str, tree: Tree, *, name: str = "", **about) -> Handin:
    safe = re.sub(r"[^\w.-]+", "_", key).strip(".") or "_"
    try:
        return Handin(safe, name or key, _source(tree), **about)
    except Unreadable as error:
        return Handin(safe, name or key, problem=str(error), **about)


def _source(tree: Tree) -> bytes | None:
    """submitted.py of one submission: the least deep one, or that in its only zip. None when there is none."""
    paths = [PurePosixPath(name) for name in tree.names]
    found = [path for path in paths if path.name == SUBMITTED]
    if found:
        depth = min(len(path.parts) for path in found)
        nearest = [str(path) for path in found if len(path.parts) == depth]
        if len(nearest) > 1:
            raise Unreadable(f"several files could be meant: {', '.join(nearest)}")
        return tree.read(nearest[0], SOURCE_BYTES)
    zips = [str(path) for path in paths if path.suffix.lower() == ".zip"]
    if len(zips) == 1:
        return _source(_zip_tree(zips[0], io.BytesIO(tree.read(zips[0], ZIP_BYTES)), nested=True))
    return None


def _tree(path: Path) -> Tree:
    if path.is_dir():
        names = [
            (Path(folder) / name).relative_to(path).as_posix()
            for folder, _, files in os.walk(path)
            for name in files
            if stat.S_ISREG(os.lstat(os.path.join(folder, name)).st_mode)  # no links, no pipes
        ]
        return Tree(names, lambda name: open(path / name, "rb"))
    if not path.exists():
        raise ClassError(f"{path}: no such folder or zip of submissions.")
    try:
        return _zip_tree(path.name, path, nested=False)
    except Unreadable as error:
        raise ClassError(f"{error}. Expected a folder or zip of submissions.") from error


def _zip_tree(name: str, file: Path | io.BytesIO, *, nested: bool) -> Tree:
    try:
        archive = zipfile.ZipFile(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise Unreadable(f"{name}: not a readable zip: {error}") from error
    infos = {info.filename.replace("\\", "/"): info for info in archive.infolist() if not info.is_dir()}
    if outside := [n for n in infos if n.startswith("/") or ".." in PurePosixPath(n).parts or ":" in n.split("/")[0]]:
        raise Unreadable(f"{name}: names files outside of itself, e.g. {outside[0]!r}")
    files = [n for n, info in infos.items() if not stat.S_ISLNK(info.external_attr >> 16)]
    return Tree([n for n in files if not nested or not n.endswith(".zip")], lambda n: archive.open(infos[n]))


def _is_wrapper(tree: Tree) -> bool:
    """Whether the only folder of an export is not a submission, but holds them."""
    if not (top := tree.top()):
        return False  # it is a file
    many = sum(below != [""] or name.endswith(".zip") for name, below in top.items()) > 1
    return METADATA in top or (SUBMITTED not in top and (many or all(CANVAS.fullmatch(name) for name in top)))


def _tails(name: str) -> list[str]:
    """The name, and what is left of it after each slash."""
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]
