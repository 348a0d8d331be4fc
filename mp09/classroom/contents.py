"""Reads folders and zips that students have filled: names, and bytes up to a limit.

Such content may be damaged or malicious. No link is followed, no size or count that a zip states is believed, and
nothing is written. What can't be read raises Unreadable, so that it costs only the one student whose file it is.
"""

import errno
import io
import stat
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO

from mp09.files import list_inside, open_inside, read_at_most
from mp09.grading.diagnose.submitted_file import LINKED

FILE, FOLDER, LINK, OTHER = "file", "folder", "link", "other"
FILES, CLASS_FILES = 10_000, 500_000  # limits for a submission, and for a zip with a whole class
DEPTH = 20  # how deep folders may be nested in a submission
WRAPPED = 3  # an export puts at most this many folders around a submission
NAME_LENGTH = 1000
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others are unpacked in one go, 2 KB into gigabytes
ENTRY = b"PK\x01\x02"  # every entry of a zip's directory begins with these bytes
JUNK = ("._", ".DS_Store", "__MACOSX")  # names that begin so are made by macOS and not by students
Entries = Callable[[str], Iterable[tuple[str, str]]]  # maps a folder such as "a/b" to the names in it and their kinds
Open = Callable[[str], IO[bytes]]  # opens a file such as "a/b/c"


class Unreadable(Exception):  # noqa: N818 (the name says what a file is)
    """Says that a file of a submission can't be read; the message tells why."""


class Tree:
    """Shows what is below a folder, in a zip or on disk. Names have "/" between their parts."""

    def __init__(self, entries: Entries, open_: Open, folder: str = ""):
        self._entries, self._open, self._prefix = entries, open_, f"{folder}/" if folder else ""

    def top(self) -> dict[str, str]:
        """Return the names in the folder itself, sorted, each with its kind: FILE, FOLDER, LINK or OTHER."""
        return dict(sorted(self._inside("")))

    def below(self, folder: str) -> "Tree":
        return Tree(self._entries, self._open, self._prefix + folder)

    def levels(self) -> Iterator[dict[str, str]]:
        """Yield the names and kinds of the folder itself (as `top`), then of all folders in it, and so on.

        Raises:
            Unreadable: there are more than FILES names, or folders are nested deeper than DEPTH.
        """
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

    def open(self, name: str) -> IO[bytes]:
        return self._open(self._prefix + name)

    def read(self, name: str, limit: int) -> bytes:
        """Return the bytes of a file. Raises Unreadable if it is damaged, a link, or longer than `limit` bytes."""
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


class _explained:  # noqa: N801 (it is used like a function)
    """Turns every error with a student's file into Unreadable: zlib and zipfile raise many kinds of errors."""

    def __init__(self, name: str):
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            raise Unreadable(f"{self._name}: {LINKED}") from error
        if isinstance(error, Exception) and not isinstance(error, Unreadable):
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise Unreadable(f"{self._name}: {reason}") from error


def renamed(tree: Tree, files: dict[str, tuple[str, str]]) -> Tree:
    """Return a tree with some files of `tree` under new names.

    Args:
        tree: what the files are read from.
        files: for each new name, the name in `tree` and the kind, FILE or LINK.
    """
    kinds = [(name, kind) for name, (_, kind) in files.items()]
    return Tree(lambda _: kinds, lambda name: tree.open(files[name][0]))


def folder_tree(path: Path) -> Tree:
    """Return what is below a folder on disk. The path may lead through a link, but no link inside is followed."""

    def entries(folder: str) -> Iterator[tuple[str, str]]:
        return ((name, _kind(mode)) for name, mode in list_inside(path, folder))

    return Tree(entries, lambda name: open_inside(path, name))


def zip_tree(name: str, file: io.FileIO | io.BytesIO, *, nested: bool) -> Tree:
    """Return what is in a zip.

    Args:
        name: what messages call the zip.
        file: the zip, open for reading.
        nested: True for a zip that a student made. Zips inside it are not looked at, and one bad name makes all of it
            Unreadable. In a zip with a whole class, a bad name affects only the folder that it is in.

    Raises:
        Unreadable: it is not a zip, has too many entries, or, if `nested`, has a bad name.
    """
    archive = _archive(name, file, FILES if nested else CLASS_FILES)
    infos: dict[str, zipfile.ZipInfo] = {}
    inside: defaultdict[str, dict[str, str]] = defaultdict(dict)
    bad: dict[str, str] = {}  # for folders in a zip with a whole class: what is wrong there
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

    def open_(name: str) -> IO[bytes]:
        if infos[name].compress_type not in METHODS:
            raise Unreadable(f"{name}: compressed in an unusual way; expected an ordinary zip")
        return archive.open(infos[name])

    return Tree(entries, open_)


def _archive(name: str, file: io.FileIO | io.BytesIO, limit: int) -> zipfile.ZipFile:
    counted = _Counted(file, limit)
    try:
        archive = zipfile.ZipFile(counted)
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from error
    except Exception as error:  # the zip's directory may hold anything, and raise any error
        raise Unreadable(f"{name}: not a readable zip: {error}") from error
    counted.limit = None
    return archive


class _Counted(io.BufferedReader):
    """Gives zipfile the directory of a zip only if it has few entries.

    The number that a zip states can be a lie, but every entry begins with ENTRY. Counting these takes milliseconds,
    while zipfile needs minutes for a million entries.
    """

    def __init__(self, file: io.FileIO | io.BytesIO, limit: int):
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
    """Return the leading folders of a bad name that are harmless: they tell whose it is."""
    if path.is_absolute() or ":" in "".join(path.parts[:1]):
        return ()
    return path.parts[: path.parts.index("..")] if ".." in path.parts else path.parts[:-1]


def _enter(inside: defaultdict[str, dict[str, str]], parts: tuple[str, ...], kind: str) -> None:
    """Enter a name and the folders around it into the table. A link stays a link, even if names seem to be below it."""
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
