"""What lies in a folder or zip that students filled: names, and bytes up to a limit.

No link is followed, no size or count believed, nothing written. What can't be read is Unreadable, and so the problem of
the one student whose it is.
"""

import errno
import io
import stat
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from mp09.files import list_inside, open_inside, read_at_most
from mp09.grading.diagnose.calls import LINKED

FILE, FOLDER, LINK, OTHER = "file", "folder", "link", "other"
FILES, CLASS_FILES = 10_000, 500_000  # looked at in a submission; in a zip of a class
DEPTH = 20  # folders in folders of a submission
WRAPPED = 3  # folders that an export puts around a submission, at most
NAME_LENGTH = 1000
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks others at once, 2 KB into gigabytes
ENTRY = b"PK\x01\x02"  # begins each entry of a zip's directory
JUNK = ("._", ".DS_Store", "__MACOSX")  # how names of what only computers put there begin
Entries = Callable[[str], Iterable[tuple[str, str]]]  # a folder, "a/b" -> (name, FILE, FOLDER, LINK or OTHER) in it


class Unreadable(Exception):  # noqa: N818 (what it says of a file)
    """A file of a submission can't be taken as it is; the message says why."""


class Tree:
    """What lies below a folder; names have "/" between their parts."""

    def __init__(self, entries: Entries, open_: Callable, folder: str = ""):
        self._entries, self._open, self._prefix = entries, open_, f"{folder}/" if folder else ""

    def top(self) -> dict[str, str]:
        """Names in the folder itself -> FILE, FOLDER, LINK or OTHER, sorted."""
        return dict(sorted(self._inside("")))

    def below(self, folder: str) -> "Tree":
        return Tree(self._entries, self._open, self._prefix + folder)

    def levels(self) -> Iterator[dict[str, str]]:
        """What `top` gives, then the same of all folders there, and so on. Raises Unreadable beyond FILES or DEPTH."""
        folders, seen = [""], 0
        for _ in range(DEPTH):
            level = {}
            for folder in folders:
                for name, kind in self._inside(folder):
                    level[f"{folder}/{name}" if folder else name] = kind
                    if (seen := seen + 1) > FILES:
                        raise Unreadable(f"more than {FILES} files")
            if not level:
                return
            yield dict(sorted(level.items()))
            folders = [name for name, kind in level.items() if kind == FOLDER]
        if folders:
            raise Unreadable(f"more than {DEPTH} folders in one another")

    def open(self, name: str) -> BinaryIO:
        return self._open(self._prefix + name)

    def read(self, name: str, limit: int) -> bytes:
        """Raises Unreadable for a damaged file, a link, or more than `limit` bytes."""
        with _explained(name), self.open(name) as file:
            content = read_at_most(file, limit)
        if content is None:
            raise Unreadable(f"{name}: larger than {limit >> 10} KiB")
        return content

    def _inside(self, folder: str) -> Iterator[tuple[str, str]]:
        with _explained(folder or "the folder"):
            for name, kind in self._entries((self._prefix + folder).strip("/")):
                if not name.startswith(JUNK):
                    yield name, kind


class _explained:  # noqa: N801 (used like a function)
    """Whatever goes wrong with a student's file is Unreadable: zlib and zipfile have errors of many kinds."""

    def __init__(self, name: str):
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind, error, traceback) -> None:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise Unreadable(f"{self._name}: {LINKED}") from error
        if isinstance(error, Exception) and not isinstance(error, Unreadable):
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise Unreadable(f"{self._name}: {reason}") from error


def renamed(tree: Tree, files: dict[str, tuple[str, str]]) -> Tree:
    """Only these files of `tree`: name here -> (name there, FILE or LINK)."""
    kinds = [(name, kind) for name, (_, kind) in files.items()]
    return Tree(lambda _: kinds, lambda name: tree.open(files[name][0]))


def folder_tree(path: Path) -> Tree:
    """path: may itself be a link; nothing in it may."""

    def entries(folder: str) -> Iterator[tuple[str, str]]:
        return ((name, _kind(mode)) for name, mode in list_inside(path, folder))

    return Tree(entries, lambda name: open_inside(path, name))


def zip_tree(name: str, file: io.BufferedIOBase, *, nested: bool) -> Tree:
    """nested: a student's own zip, in which no further zip is looked at, and which a bad name makes Unreadable."""
    archive = _archive(name, file, FILES if nested else CLASS_FILES)
    infos, inside = {}, defaultdict(dict)
    bad: dict[str, str] = {}  # folder in a zip of a class -> what is wrong there
    for info in archive.infolist():
        path = PurePosixPath(info.filename[: NAME_LENGTH + 1].replace("\\", "/"))
        if problem := _problem(info.filename, path):
            if nested:
                raise Unreadable(f"{name}: {problem}")
            before = _before(path)[:WRAPPED]
            _enter(inside, before, FOLDER)
            bad["/".join(before)] = problem
        elif not (nested and path.suffix.lower() == ".zip"):
            _enter(inside, path.parts, _zip_kind(info))
            infos[path.as_posix()] = info

    def entries(folder: str) -> Iterable[tuple[str, str]]:
        if folder and folder in bad:
            raise Unreadable(bad[folder])
        return inside[folder].items() if folder in inside else ()

    def open_(name: str) -> BinaryIO:
        if infos[name].compress_type not in METHODS:
            raise Unreadable(f"{name}: compressed in an unusual way; expected an ordinary zip")
        return archive.open(infos[name])

    return Tree(entries, open_)


def _archive(name: str, file: io.BufferedIOBase, limit: int) -> zipfile.ZipFile:
    counted = _Counted(file, limit)
    try:
        archive = zipfile.ZipFile(counted)
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from error
    except Exception as error:  # the directory at its end may say anything
        raise Unreadable(f"{name}: not a readable zip: {error}") from error
    counted.limit = None
    return archive


class _Counted(io.BufferedReader):
    """A zip whose directory zipfile gets only if it has few entries. Whatever its end says of their number, each begins
    with ENTRY; counting these takes milliseconds, and zipfile minutes for a million."""

    def __init__(self, file: io.BufferedIOBase, limit: int):
        super().__init__(file)
        self.limit: int | None = limit

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        if self.limit is not None and content.count(ENTRY) > self.limit:
            raise Unreadable(f"more than {self.limit} files")
        return content


def _problem(name: str, path: PurePosixPath) -> str:
    if len(name) > NAME_LENGTH:
        return f"a name of more than {NAME_LENGTH} characters"
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        return f"names files outside of itself, e.g. {name!r}"
    return ""


def _before(path: PurePosixPath) -> tuple[str, ...]:
    """The folders of a bad name that are not bad themselves: whose it is."""
    if path.is_absolute() or ":" in "".join(path.parts[:1]):
        return ()
    return path.parts[: path.parts.index("..")] if ".." in path.parts else path.parts[:-1]


def _enter(inside: dict[str, dict[str, str]], parts: tuple[str, ...], kind: str) -> None:
    """Put a name and the folders it lies in into the table; a link stays one, whatever is said to lie below it."""
    if len(parts) > DEPTH + WRAPPED:
        parts, kind = parts[: DEPTH + WRAPPED], FOLDER
    while parts:
        folder = inside["/".join(parts[:-1])]
        if kind == LINK or folder.get(parts[-1]) in (None, FILE, OTHER):
            folder[parts[-1]] = kind
        parts, kind = parts[:-1], FOLDER


def _zip_kind(info: zipfile.ZipInfo) -> str:
    if info.is_dir():
        return FOLDER
    mode = info.external_attr >> 16
    return _kind(mode) if stat.S_IFMT(mode) in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK) else FILE


def _kind(mode: int) -> str:
    for kind, matches in ((FILE, stat.S_ISREG), (FOLDER, stat.S_ISDIR), (LINK, stat.S_ISLNK)):
        if matches(mode):
            return kind
    return OTHER
