"""Test which file of a submission is graded: no link is followed, no pipe waited for, and nothing large read whole."""

import gzip
import io
import os
import zipfile

import pytest

from mp09.errors import GradingError
from mp09.files import open_inside
from mp09.grading import rubric
from mp09.grading.diagnose.record import Failed
from mp09.grading.working_copy import GivenFile, read_submission


@pytest.fixture
def secret(tmp_path):
    """Make a folder with a file that is not the student's, and return it."""
    folder = tmp_path / "kit"
    folder.mkdir()
    (folder / "submitted.py").write_bytes(b"secret")
    return folder


@pytest.fixture
def given(tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    return folder


def diagnosis(source) -> str:
    with pytest.raises(Failed) as failed:
        read_submission(source)
    return failed.value.diagnosis.key


def explained(source) -> str:
    with pytest.raises(Failed) as failed:
        read_submission(source)
    return str(failed.value)


@pytest.mark.parametrize("name", ["submitted.py", "mp09/submitted.py"])
def test_the_file_at_the_top_or_in_the_only_folder(given, name):
    (given / name).parent.mkdir(exist_ok=True)
    (given / name).write_bytes(b"x")
    assert read_submission(given).content == read_submission(given / name).content == b"x"


def test_a_linked_file_is_refused(given, secret):
    (given / "submitted.py").symlink_to(secret / "submitted.py")
    assert diagnosis(given) == "link"


def test_a_linked_folder_is_refused(given, secret):
    (given / "mp09").symlink_to(secret)
    assert diagnosis(given) == "link"


def test_a_linked_file_in_a_folder_is_refused(given, secret):
    (given / "mp09").mkdir()
    (given / "mp09" / "submitted.py").symlink_to(secret / "submitted.py")
    assert diagnosis(given) == "link"


def test_a_link_beside_the_file_does_not_matter(given, secret):
    (given / "mp09").mkdir()
    (given / "mp09" / "submitted.py").write_bytes(b"own")
    (given / "latest").symlink_to(secret)
    assert read_submission(given).content == b"own"


def test_whoever_grades_may_come_through_a_link(given, tmp_path):
    (given / "submitted.py").write_bytes(b"x")
    (tmp_path / "folder").symlink_to(given)
    (tmp_path / "file.py").symlink_to(given / "submitted.py")
    assert read_submission(tmp_path / "folder").content == read_submission(tmp_path / "file.py").content == b"x"


def test_a_pipe_is_not_waited_for(given):
    os.mkfifo(given / "submitted.py")
    assert diagnosis(given) == diagnosis(given / "submitted.py") == "no-file"


def test_a_device_is_not_read(given):
    with pytest.raises(OSError, match=r"\[Errno 6\]"):
        open_inside(given.parent.joinpath("/dev"), "zero")


def test_a_terabyte_is_not_read(given):
    with open(given / "submitted.py", "wb") as file:
        file.truncate(1 << 40)
    assert diagnosis(given) == "too-large"


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_the_limit(given, more, fits):
    (given / "submitted.py").write_bytes(bytes(rubric.SOURCE_LIMIT + more))
    assert read_submission(given).content if fits else diagnosis(given) == "too-large"


def test_what_is_exchanged_for_a_link_meanwhile_is_not_followed(given, secret):
    """A folder becomes a link again and again, but what is read is always the student's file, or nothing."""
    (given / "real").mkdir()
    (given / "real" / "submitted.py").write_bytes(b"own")
    (given / "aside").symlink_to(secret)
    pid = os.fork()
    if pid == 0:
        while True:  # until it is killed
            os.rename(given / "real", given / "kept")
            os.rename(given / "aside", given / "real")
            os.rename(given / "real", given / "aside")
            os.rename(given / "kept", given / "real")
    seen = set()
    for _ in range(3000):
        try:
            with open_inside(given, "real/submitted.py") as file:
                seen.add(file.read())
        except OSError:
            seen.add(None)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert seen <= {b"own", None}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_the_graders_problem(given):
    (given / "submitted.py").write_bytes(b"x")
    (given / "submitted.py").chmod(0)
    with pytest.raises(GradingError, match="could not be read"):
        read_submission(given)


@pytest.mark.parametrize(
    "name",
    [
        *("Submitted.py", "SUBMITTED.PY", "submitted (1).py", "submitted(2).py", "submitted-1.py", "submitted_1.py"),
        *("submitted copy.py", "submitted - Copy.py", "mp09/submitted (1).py"),
    ],
)
def test_a_name_that_is_almost_right_is_taken_and_told(given, name):
    (given / name).parent.mkdir(exist_ok=True)
    (given / name).write_bytes(b"x")
    (given / "models.py").write_bytes(b"other")
    file = read_submission(given)
    assert (file.content, file.remark) == (b"x", f"{name.split('/')[-1]!r} was taken for submitted.py")


def test_of_two_names_that_are_almost_right_none_is_taken(given):
    for name in ("submitted (1).py", "submitted (2).py"):
        (given / name).write_bytes(b"x")
    assert "'submitted (1).py', 'submitted (2).py'" in explained(given)


def test_the_right_name_in_a_folder_comes_before_an_almost_right_one(given):
    (given / "mp09").mkdir()
    (given / "mp09" / "submitted.py").write_bytes(b"right")
    (given / "submitted_1.py").write_bytes(b"almost")
    assert read_submission(given) == GivenFile(b"right")


@pytest.mark.parametrize(
    "names", [("submitted (1).py", "old/submitted-1.py"), ("submitted_1.py", "a/submitted.py", "b/submitted.py")]
)
def test_of_several_candidates_none_is_taken(given, names):
    for name in names:
        (given / name).parent.mkdir(exist_ok=True)
        (given / name).write_bytes(b"x")
    assert diagnosis(given) == "no-file"


def test_a_link_beside_an_almost_right_name_does_not_matter(given, secret):
    (given / "Submitted.py").write_bytes(b"own")
    (given / "cifar10_batches").symlink_to(secret)
    assert read_submission(given).content == b"own"


def test_a_notebook_is_a_notebook_even_if_it_is_large(given):
    (given / "submitted.py").write_bytes(b'{"cells": [' + b" " * rubric.SOURCE_LIMIT)
    assert diagnosis(given) == "not-python"


def test_the_right_name_needs_no_words(given):
    for name in ("submitted.py", "submitted (1).py"):
        (given / name).write_bytes(name.encode())
    assert read_submission(given) == GivenFile(b"submitted.py")


@pytest.mark.parametrize("name", ["submitted.txt", "my_submitted.py", "submitted_old.py", "submitted.py.bak"])
def test_other_names_are_not_taken(given, name):
    (given / name).write_bytes(b"x")
    assert f"none in 'given', but {name!r}" in explained(given)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mp09_notebook.ipynb", "A notebook is not graded"),
        ("hw.zip", "An archive is not"),
        ("hw.tar.gz", "An archive is not"),
    ],
)
def test_what_was_handed_in_instead_is_named(given, name, words):
    (given / name).write_bytes(b"x")
    assert f"but {name!r}" in explained(given)
    assert words in explained(given)


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("submitted.py", "")
    return content.getvalue()


NOT_PYTHON = {
    "notebook": (b'{"cells": [], "nbformat": 4}', "a notebook"),
    "notebook with spaces": (b'\n {\n "cells": [{}]\n}', "a notebook"),
    "zip": (zipped(), "an archive (zip)"),
    "tar.gz": (gzip.compress(b""), "an archive (gzip)"),
    "UTF-16": ("import torch".encode("utf-16"), "text in UTF-16"),
    "PDF": (b"%PDF-1.7", "a PDF"),
}


@pytest.mark.parametrize("kind", NOT_PYTHON)
@pytest.mark.parametrize("name", ["submitted.py", "given.ipynb"])
def test_what_is_no_python_is_named(given, kind, name):
    content, words = NOT_PYTHON[kind]
    (given / name).write_bytes(content)
    source = given if name == "submitted.py" else given / name  # whoever grades may name a file
    assert diagnosis(source) == "not-python"
    assert words in explained(source)


@pytest.mark.parametrize("content", [b'{"cells": None}.get("cells")', b'{"a": [', b"\xef\xbb\xbfimport torch", b""])
def test_what_may_be_python_is_graded(given, content):
    (given / "submitted.py").write_bytes(content)
    assert read_submission(given).content == content
