"""Write files so that a reader never sees half of one, read files that somebody else made, and compute checksums."""

import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from mp09 import trees

NO_LINK, AT_ONCE = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Give a temporary file beside `path` to write to, which becomes `path` in one step when the block ends.

    Its content is on the disk by then, and everybody may read it. After an error the file is removed, and `path` stays
    as it was.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_writable(path: Path) -> None:
    """Check that `atomic_write` has a chance at `path`, before hours of work.

    Raises:
        OSError: `path` is a folder, or a small file beside it can't be written.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    with tempfile.TemporaryFile(dir=path.parent) as file:
        file.write(bytes(1 << 12))


def open_inside(folder: Path, name: str) -> BinaryIO:
    """Open a regular file in a folder that somebody else filled.

    Each part of the name is opened in the folder before it, so nothing that is exchanged meanwhile leads elsewhere.

    Args:
        folder: the folder, which may itself be reached through a link.
        name: the file's path in it, with "/" between the parts; none of them may be a link.

    Raises:
        OSError: with ELOOP for a link in any part, with ENXIO for a folder, pipe or device, which is neither opened nor
            waited for, or with what the system says.
    """
    *folders, last = PurePosixPath(name).parts
    with _folder_inside(folder, folders) as place:
        return os.fdopen(_open_part(place, last, stat.S_ISREG), "rb")


def list_inside(folder: Path, name: str = "") -> Iterator[tuple[str, int]]:
    """List names and modes (`st_mode`, for a link its own) of what lies in a folder that somebody else filled.

    Args:
        folder: the folder, which may itself be reached through a link.
        name: the path in it of the folder to list, by default `folder` itself.

    Raises:
        OSError: as for `open_inside`.
    """
    with _folder_inside(folder, PurePosixPath(name).parts) as place, os.scandir(place) as entries:
        for entry in entries:
            yield entry.name, entry.stat(follow_symlinks=False).st_mode


@contextmanager
def _folder_inside(folder: Path, parts: Iterable[str]) -> Iterator[int | Path]:
    """Open the folder behind these parts: a descriptor, or a path where the system can't open files in a descriptor."""
    if not trees.BY_DESCRIPTOR:
        for part in parts:
            _check_part(folder, part, stat.S_ISDIR)
            folder = folder / part
        yield folder
        return
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            outer, place = place, _open_part(place, part, stat.S_ISDIR)
            os.close(outer)
        yield place
    finally:
        os.close(place)


def _open_part(place: int | Path, part: str, wanted: Callable[[int], bool]) -> int:
    _check_part(place, part, wanted)  # checked first, because opening a device might do something
    flags = os.O_RDONLY | NO_LINK | AT_ONCE | getattr(os, "O_BINARY", 0)
    opened = os.open(part, flags, dir_fd=place) if isinstance(place, int) else os.open(place / part, flags)
    if not wanted(os.fstat(opened).st_mode):  # it was exchanged after the check
        os.close(opened)
        raise OSError(errno.ENXIO, "is not a regular file", part)
    return opened


def _check_part(place: int | Path, part: str, wanted: Callable[[int], bool]) -> None:
    found = os.lstat(part, dir_fd=place) if isinstance(place, int) else os.lstat(place / part)
    junction = getattr(found, "st_reparse_tag", 0) == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", None)  # on Windows
    if stat.S_ISLNK(found.st_mode) or junction:
        raise OSError(errno.ELOOP, "is a link", part)
    if not wanted(found.st_mode):
        code = errno.ENOTDIR if wanted is stat.S_ISDIR else errno.ENXIO
        raise OSError(code, os.strerror(code), part)


def read_at_most(file: IO[bytes], limit: int) -> bytes | None:
    """Return all bytes of a file, or None when there are more than `limit`, whatever size it claims to have."""
    content = file.read(limit + 1)
    return content if len(content) <= limit else None


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a temporary folder that others may pass through but not list, and remove it whatever was put into it."""
    folder = Path(tempfile.mkdtemp(prefix="mp09-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        trees.remove(folder)


def keep_private(paths: Iterable[Path]) -> None:
    """Take all permissions on these files and folders from everybody but their owner.

    A closed folder closes all that is below it. Where this can't be done, nothing happens: the grader's probe shows
    whether a submission reaches them.
    """
    for path in paths:
        with suppress(OSError):
            path.chmod(path.stat().st_mode & 0o700)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON in UTF-8, atomically; NaN and infinity raise ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, atomically; what UTF-8 can't hold, such as half a surrogate pair, becomes "?"."""
    with atomic_write(path) as file:
        file.write(text.encode(errors="replace"))


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Return the hexadecimal digest of a file's bytes; `hashlib.file_digest` would need Python 3.11."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
