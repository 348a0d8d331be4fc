"""Tests that a book holds what was written, all of it or nothing, and that errors say what can't be read."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from mp09.classroom.book_entry import FAULT, GRADED, Known
from mp09.classroom.gradebook import VERSION, Gradebook
from mp09.classroom.student_submission import StudentSubmission
from mp09.errors import ClassError
from mp09.grading.report import GradeReport, TestResult
from selftests.conftest import ROOT

TESTS = (
    TestResult("1.1", "length", 15, 15, "passed"),
    TestResult("3.4", "accuracy", 20, 40, "failed", "after_published", ("accuracy",), "accuracy-low", "a\nb", ("do",)),
)
REPORT = GradeReport(
    TESTS, 35.0, 55.0, "graded", "sandboxed", "synthetic", 8, 0.8251, 3.5, 42, True, 321, ("r",), "cpu", {"a": "1"}
)
REPORT = replace(REPORT, file_remark="another name")
HANDIN = StudentSubmission("anna", "Anna", b"x", email="a@example.edu", sid="1", submitted_at="now", late=True)
TERMS = {"seed": "42"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gradebook.sqlite"


def test_what_goes_in_comes_out(path):
    with Gradebook(path, create=True) as book:
        book.agree(TERMS, replace=False)
        book.write(HANDIN, "d", GRADED, "", REPORT)
        book.write(StudentSubmission("ben", "Ben"), "e", FAULT, "no disk", None)
    with Gradebook(path) as book:
        anna, ben = book.entries()
        assert book.terms() == TERMS
        assert book.known() == {"anna": Known("Anna", "d", GRADED), "ben": Known("Ben", "e", FAULT)}
    assert anna.report == REPORT
    assert (anna.name, anna.email, anna.sid, anna.submitted_at, anna.late) == (
        "Anna",
        "a@example.edu",
        "1",
        "now",
        True,
    )
    assert (ben.report, ben.status, ben.problem) == (None, FAULT, "no disk")


def test_a_new_result_replaces_the_old_one(path):
    with Gradebook(path, create=True) as book:
        book.write(HANDIN, "d", GRADED, "", REPORT)
        book.write(HANDIN, "d2", FAULT, "gone", None)
        (entry,) = book.entries()
    assert (entry.digest, entry.report) == ("d2", None)


def test_the_view_has_one_row_a_submission_and_test(path):
    with Gradebook(path, create=True) as book:
        book.write(HANDIN, "d", GRADED, "", REPORT)
    rows = sqlite3.connect(path).execute("SELECT key, number, score, source, isolation, seed, versions FROM results")
    assert rows.fetchall() == [
        ("anna", "1.1", 15, "synthetic", "sandboxed", 42, '{"a": "1"}'),
        ("anna", "3.4", 20, "synthetic", "sandboxed", 42, '{"a": "1"}'),
    ]


def test_other_terms_need_a_decision(path):
    with Gradebook(path, create=True) as book:
        book.agree(TERMS, replace=False)
        book.write(HANDIN, "d", GRADED, "", REPORT)
        with pytest.raises(ClassError, match="seed: 42 there, 7 now"):
            book.agree({"seed": "7"}, replace=False)
        assert len(book.entries()) == 1
        book.agree({"seed": "7"}, replace=True)
        assert not book.entries()


def test_one_writer_at_a_time_and_readers_meanwhile(path):
    with Gradebook(path, create=True) as book:
        book.write(HANDIN, "d", GRADED, "", REPORT)
        with pytest.raises(ClassError, match="another run"):
            Gradebook(path, create=True)
        with Gradebook(path) as reader:
            assert len(reader.entries()) == 1
        looking = sqlite3.connect(path)
        looking.execute("BEGIN")
        looking.execute("SELECT * FROM submission").fetchone()
        book.write(HANDIN, "d", GRADED, "", REPORT)
        looking.close()
    Gradebook(path, create=True).__exit__()


def test_no_book(path):
    with pytest.raises(ClassError, match="no gradebook here"):
        Gradebook(path)


def test_another_versions_book(path):
    with Gradebook(path, create=True):
        pass
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    for create in (True, False):
        with pytest.raises(ClassError, match=f"version {VERSION + 1}"):
            Gradebook(path, create=create)
    assert path.read_bytes() == before


def test_a_book_of_version_1_is_read_and_written(path):
    with Gradebook(path, create=True) as book:
        book.write(HANDIN, "d", GRADED, "", REPORT)
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE submission DROP COLUMN file_remark")
        db.execute("PRAGMA user_version = 1")
    with Gradebook(path) as book:
        assert book.entries()[0].report == replace(REPORT, file_remark="")
    with Gradebook(path, create=True) as book:
        assert book.entries()[0].report == replace(REPORT, file_remark="")
        book.write(HANDIN, "d", GRADED, "", REPORT)
        assert book.entries()[0].report == REPORT


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_book(path, content):
    path.write_bytes(content)
    with pytest.raises(ClassError, match="gradebook"):
        Gradebook(path, create=True)
    assert path.read_bytes() == content


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="a small disk needs root and mounts")
def test_a_full_disk_loses_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with Gradebook(disk / "gradebook.sqlite", create=True) as book:
            book.write(HANDIN, "d", GRADED, "", REPORT)
            (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - (50 << 10)))
            long = StudentSubmission("ben", "B" * 100_000)
            with pytest.raises(ClassError, match="full"):
                book.write(long, "e", GRADED, "", REPORT)
            assert [entry.key for entry in book.entries()] == ["anna"]
            (disk / "ballast").unlink()
            book.write(long, "e", GRADED, "", REPORT)
            assert [entry.key for entry in book.entries()] == ["anna", "ben"]
    finally:
        subprocess.run(["umount", disk], check=True)


WRITER = f"""
import sys
from pathlib import Path
from mp09.classroom.student_submission import StudentSubmission
from mp09.classroom.book_entry import GRADED
from mp09.classroom.gradebook import Gradebook
from mp09.grading.report import GradeReport, TestResult
with Gradebook(Path(sys.argv[1]), create=True) as book:
    print("ready", flush=True)
    while True:
        book.write({HANDIN!r}, "d", GRADED, "", {REPORT!r})
"""


def test_a_killed_writer_leaves_whole_rows(path):
    for delay in (0.0, 0.05, 0.1):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], cwd=ROOT, stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        with Gradebook(path, create=True) as book:
            assert [entry.report for entry in book.entries()] in ([], [REPORT])
