"""Writing files so that a reader never sees half of one, and checksums."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from mp09 import trees


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; on leaving without an error it becomes `path` in one step."""
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


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder that others may pass through but not list; removed at the end, whatever was put into it."""
    folder = Path(tempfile.mkdtemp(prefix="mp09-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        trees.remove(folder)


def keep_private(paths: Iterable[Path]) -> None:
    """Take all permissions on these files and folders from everybody but their owner; a folder closes all below it.

    Where that can't be done, nothing happens: whether a submission reaches them is what the grader's probe shows.
    """
    for path in paths:
        with suppress(OSError):
            path.chmod(path.stat().st_mode & 0o700)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically; NaN and infinity are refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, atomically; what has no place in UTF-8, such as half a surrogate pair, becomes "?"."""
    with atomic_write(path) as file:
        file.write(text.encode(errors="replace"))


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Hexadecimal digest of a file's bytes. (`hashlib.file_digest` needs Python 3.11.)"""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
