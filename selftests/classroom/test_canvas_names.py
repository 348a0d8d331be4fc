"""Tests that Canvas' names of files say whose a file is, or that they do not say it."""

import pytest

from mp09.classroom.canvas_names import CanvasName, read_names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ormsbyanna_77_901_submitted.py", CanvasName("ormsbyanna", "77", False, "submitted.py")),
        ("ormsbyanna_LATE_77_901_submitted-2.py", CanvasName("ormsbyanna", "77", True, "submitted.py")),
        ("section3group_4_78_902_submitted.py", CanvasName("section3group_4", "78", False, "submitted.py")),
        ("section3group_4_LATE_78_902_my_notes.txt", CanvasName("section3group_4", "78", True, "my_notes.txt")),
        ("team_alpha_77_901_submitted.py", CanvasName("team_alpha", "77", False, "submitted.py")),
        ("li_79_text.html", CanvasName("li", "79", False, "text.html")),
        ("team_9_LATE_79_link.html", CanvasName("team_9", "79", True, "link.html")),
        ("anon_Ab3dE_901_submitted.py", CanvasName("anon_Ab3dE", "", False, "submitted.py")),
        ("LATE_anon_Ab3dE_901_submitted.py", CanvasName("anon_Ab3dE", "", True, "submitted.py")),
        ("anon_Ab3dE_LATE_901_submitted-1.py", CanvasName("anon_Ab3dE", "", True, "submitted.py")),
        ("anon_Ab3dE_text.html", CanvasName("anon_Ab3dE", "", False, "text.html")),
    ],
)
def test_names_are_read(name, expected):
    assert read_names([name]) == {name: expected}


@pytest.mark.parametrize("name", ["roster.csv", "submitted.py", "anna_x.py", "a_1_submitted.py", "_77_901_x.py"])
def test_other_names_are_left_out(name):
    assert read_names([name]) == {}


def test_a_file_may_not_say_that_it_is_somebody_elses():
    theirs, forged = "anna_77_901_submitted.py", "mallory_99_950_anna_77_9999_submitted.py"
    assert read_names([theirs, forged])[forged] is None


FORGED = ("77_5_submitted.py", "77_9999_submitted.py", "77_text.html", "anna_77_5_submitted.py")


@pytest.mark.parametrize("file", FORGED)
def test_a_file_that_begins_with_a_students_number_is_not_that_students(file):
    name = f"mallory_99_950_{file}"
    found = read_names(["anna_77_901_submitted.py", name])[name]
    assert found is None or found.user == "99"


def test_a_file_that_begins_with_a_number_is_read():
    name = "anna_77_901_1_submitted.py"
    assert read_names([name])[name] == CanvasName("anna", "77", False, "1_submitted.py")


def test_the_other_files_of_a_student_tell_how_a_name_is_read():
    own, numbered = "li_77_901_notes.txt", "li_77_902_run_1_2_submitted.py"
    assert read_names([own, numbered])[numbered] == CanvasName("li", "77", False, "run_1_2_submitted.py")
