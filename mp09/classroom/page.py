"""Writes the report: one HTML page that loads nothing from the network and runs no script but its own."""

import base64
import hashlib
from pathlib import Path

from mp09.classroom.book_entry import Entry
from mp09.classroom.similar import Pair
from mp09.classroom.summary import BINS, diagnoses_of, summarize
from mp09.grading import rubric
from mp09.grading.diagnose.causes import FOUND

TEMPLATES = Path(__file__).with_name("templates")


def page(entries: list[Entry], terms: dict[str, str], pairs: list[Pair] | None = None) -> str:
    """Return the HTML of the report. All text from outside is escaped.

    Args:
        entries: the submissions in the book.
        terms: the book's terms, which the page states.
        pairs: pairs of similar submissions; None when nobody looked for them.
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return environment.get_template("report.html").render(
        summary=summarize(entries),
        terms=terms,
        pairs=pairs,
        names={entry.key: entry.name for entry in entries},
        steps=rubric.ACCURACY_STEPS,
        bins=BINS,
        diagnoses_of=diagnoses_of,
        found=FOUND,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _hash(text: str) -> str:
    """Return a text's hash for the page's content security policy, by which the browser uses no other text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
