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


CLASS = ("anna_77_901_submitted.py", "ben_78_902_submitted.py", "li_99_949_notes.txt")
FORGED = ("77_5_submitted.py", "77_9999_submitted.py", "77_text.html", "anna_77_940_submitted.py", "77_99999999_a.py")


@pytest.mark.parametrize("present", [CLASS, CLASS[1:]])
@pytest.mark.parametrize("file", FORGED)
def test_a_file_can_not_say_that_it_is_somebody_elses(file, present):
    name = f"mallory_80_950_{file}"
    found = read_names([*present, name])[name]
    assert found is None or (found.student, found.user) == ("mallory", "80")


def test_nor_where_users_of_another_school_have_long_numbers():
    name = "mallory_12340000000000567_950_77_940_submitted.py"
    assert read_names([*CLASS, name])[name] is None


@pytest.mark.parametrize("file", ["1_submitted.py", "20240501_mp09.zip", "123456_hw_7.py", "run_1_2_submitted.py"])
def test_a_file_may_begin_with_numbers(file):
    name = f"cho_81_951_{file}"
    assert read_names([*CLASS, name])[name] == CanvasName("cho", "81", False, file)


@pytest.mark.parametrize("name", ["section3group_4_78_link.html", "team_9_78_text.html", "team_9_78_903_submitted.py"])
def test_groups_may_have_numbers_beside_others(name):
    found = read_names(["ann_80_901_a.py", name])[name]
    assert (found.student, found.user) == (name.rpartition("_78_")[0], "78")


def test_the_other_files_of_a_student_tell_how_a_name_is_read():
    own, numbered = "li_77_901_notes.txt", "li_77_902_run_1_2_submitted.py"
    assert read_names([own, numbered])[numbered] == CanvasName("li", "77", False, "run_1_2_submitted.py")
