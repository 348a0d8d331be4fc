"""Explain why there is no file that can be graded, or why it is none that Python can read."""

import re
from collections.abc import Sequence

from mp09.grading import rubric
from mp09.grading.diagnose.record import Diagnosis
from mp09.grading.replies import readable

SUBMITTED = "submitted.py"
LINKED = "submitted.py or a folder on its way is a symbolic link; hand in the file itself"
HAND_IN = "Hand in the one file submitted.py, under exactly this name and not inside another folder."
SHOWN = 5  # names of other files that are shown
# What browsers and systems make of the name of a file that is there already, and of capital letters.
ALMOST = re.compile(r"submitted *(\(\d+\)|[-_ ]\d+|[-_ ]*(- *)?copy)?\.py", re.IGNORECASE)
NOTEBOOK = re.compile(rb'\s*\{\s*"(cells|metadata|nbformat|nbformat_minor)"\s*:\s*[\[{\d]')
ENDINGS = {
    (".ipynb",): "A notebook is not graded. Write your functions into submitted.py, and hand that in.",
    (".zip", ".gz", ".tgz", ".tar", ".xz", ".bz2", ".7z", ".rar"): "An archive is not graded. Hand in the submitted.py "
    "that is in it.",
}
BEGINNINGS = {
    b"PK\x03\x04": "an archive (zip)",
    b"\x1f\x8b": "an archive (gzip)",
    b"%PDF": "a PDF document",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


def almost_submitted(names: Sequence[str]) -> str | None:
    """Return the only name or path that differs from submitted.py in no more than what systems add, or None."""
    close = [name for name in names if ALMOST.fullmatch(name.rpartition("/")[2])]
    return close[0] if len(close) == 1 else None


def taken(name: str) -> str:
    """Return a remark on a file that was taken under another name than submitted.py; "" where it has that name."""
    own = name.rpartition("/")[2]
    return "" if own == SUBMITTED else f"{readable(own)!r} was taken for {SUBMITTED}"


def no_file(name: str, found: Sequence[str] = ()) -> Diagnosis:
    """Explain that there is no submitted.py.

    Args:
        name: the folder in which there is none, or the path that leads to nothing.
        found: the names of the files that are there instead.
    """
    if not found:
        return Diagnosis("no-file", "a file named submitted.py", f"none in {name!r}", HAND_IN)
    names = ", ".join(map(repr, found[:SHOWN])) + (" and more" if len(found) > SHOWN else "")
    remedy = next((words for endings, words in ENDINGS.items() if all(n.lower().endswith(endings) for n in found)), "")
    return Diagnosis("no-file", "a file named submitted.py", f"none in {name!r}, but {names}", remedy or HAND_IN)


def linked() -> Diagnosis:
    fact, remedy = LINKED.split("; ")
    return Diagnosis("link", "a file named submitted.py", fact, f"{remedy.capitalize()}: no link is followed.")


def too_large() -> Diagnosis:
    return Diagnosis(
        "too-large",
        f"a submitted.py of at most {rubric.SOURCE_LIMIT >> 10} KiB",
        "a larger one",
        "Take out what is no code, such as data, weights or images written as text; the grader brings the data.",
    )


def not_python(content: bytes) -> Diagnosis | None:
    """Explain that a file is something else than Python code; None when it may be some."""
    kind = next((words for beginning, words in BEGINNINGS.items() if content.startswith(beginning)), None)
    if kind is None and _is_notebook(content):
        kind = "a notebook (JSON)"
    if kind is None:
        return None
    remedy = (
        "Save it as UTF-8 in your editor."
        if "UTF" in kind
        else "Its name alone does not make it Python code. Write your functions into submitted.py as plain text."
    )
    return Diagnosis("not-python", "submitted.py to hold Python code as text", kind, remedy)


def _is_notebook(content: bytes) -> bool:
    return bool(NOTEBOOK.match(content))
