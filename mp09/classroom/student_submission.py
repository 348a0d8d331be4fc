"""Defines the record of one student's submission, and gives each a key that can be a file name."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

KEY_BYTES, NAME_BYTES = 200, 150  # a file name may have 255 bytes; the second is for a name that a number follows
DIGITS = 8  # hexadecimal digits of a hash in a key


@dataclass(frozen=True)
class StudentSubmission:
    """Holds one submission.

    Attributes:
        key: a unique name of the submission that can be used as a file name.
        name: the student's name. A group has several, with " and " between them.
        source: the bytes of submitted.py; None if the student submitted none.
        problem: why the submission could not be read; "" if it could. A submission with a problem is not graded: the
            instructor has to look at it.
        email: the student's address; those of a group have commas between them.
        sid: the student's number: at Canvas for Canvas' exports, at the school for Gradescope's (with commas).
        submitted_at: when it was submitted, as Gradescope writes it.
        late: whether Canvas marks it as late.
        remark: what is to be said about the file that is graded; "" where it has the right name.
    """

    key: str
    name: str
    source: bytes | None = None
    problem: str = ""
    email: str = ""
    sid: str = ""
    submitted_at: str = ""
    late: bool = False
    remark: str = ""


def keyed(submissions: list[StudentSubmission]) -> Iterator[StudentSubmission]:
    """Yield the submissions with keys that can be file names, and differ even where case and Unicode forms don't count.

    A key is the same in every run with the same names. When keys would be alike, a student whose very name it is keeps
    the key, or else the first in the alphabet; the others get a hash of their names at the end. Several submissions
    under one name become one with a problem.
    """
    same: dict[str, list[StudentSubmission]] = {}
    for submission in submissions:
        same.setdefault(submission.key, []).append(submission)
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


def short_name(name: str) -> str:
    """Return a name for a key in which a number follows it, with a hash in place of its end when it is too long."""
    return name if len(_bytes(name)) <= NAME_BYTES else _hashed(name, name, 1, NAME_BYTES)


def _hashed(start: str, name: str, number: int, limit: int = KEY_BYTES) -> str:
    """Return as much of `start` as fits into `limit` bytes together with a hash of the whole name."""
    digest = hashlib.sha256(_bytes(name) * number).hexdigest()[:DIGITS]
    return f"{_bytes(start)[: limit - DIGITS - 1].decode(errors='ignore')}-{digest}"


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogatepass")  # a file name need not be valid Unicode


def _folded(key: str) -> str:
    return unicodedata.normalize("NFC", key.casefold())
