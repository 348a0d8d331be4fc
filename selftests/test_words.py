"""Test that code, documents, notebooks and help use one word for one thing, the field's own."""

import re
from functools import cache
from pathlib import Path

import pytest

from selftests.conftest import ROOT
from selftests.test_structure import commands

FOLDERS = ("benchmarks", "docs", "labs", "mp09", "selftests", "tests")
SUFFIXES = (".html", ".ipynb", ".js", ".md", ".py", ".sh", ".yaml")
WORDS = {  # maps a pattern, for which case does not matter, to what to say
    r"\bpictures?\b": "image",
    r"\bhand(ed)?-ins?\b|\bhander": "submission, student",
    r"\bdrawn (image|data|one)|\bdrawings\b": "synthetic images",
    r"\bhouses?\b|\brooms\b": "package, module",
    r"\bplace = choose_device|\bon (which|what|any|another|the same) place\b": "device",
    r"\b(this|these|no such|another|bare|exported|trained|the course's) networks?\b|\bnetwork\.pt\b": "model",
    r"\b(pretrained|published|frozen|unknown)[ _]networks?\b|NetworkError": "model, ModelError",
    r"\bnetwork files?\b": "checkpoint, exported model",
}


@cache
def lines() -> list[tuple[str, str]]:
    """Return where each line stands and what it says, in all texts but this one; notebooks go without their images."""
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    texts = {path for path in (*ROOT.iterdir(), *below) if path.suffix in SUFFIXES or path.name == "Makefile"}
    return [
        (f"{path.relative_to(ROOT)}:{number}", line.strip())
        for path in sorted(texts - {Path(__file__)})
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if '"image/png"' not in line
    ]


@pytest.mark.parametrize("pattern", WORDS, ids=WORDS.values())
def test_one_word_stands_for_one_thing(pattern):
    wrong = re.compile(pattern, re.IGNORECASE)
    found = [f"{where}: {line}" for where, line in lines() if wrong.search(line)]
    assert found == [], f"say: {WORDS[pattern]}"


@pytest.mark.parametrize("name", commands())
def test_help_says_model(name):
    assert "network" not in commands()[name].format_help()
