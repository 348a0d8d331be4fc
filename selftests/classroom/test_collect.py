"""Tests that submissions are found in every layout, and that each student has a name and a key."""

import hashlib
import io
import os
import sys
import unicodedata
import zipfile

import pytest

from mp09.classroom import student_submission
from mp09.classroom.collect import collect
from mp09.errors import ClassError

SOURCE = b"print('submitted')\n"
GRADESCOPE = """\
---
submission_11:
  :submitters:
  - :name: "An\\u0301na =Ormsby"
    :sid: '0042'
    :email: anna@example.edu
  - :name: Ben
    :email: ben@example.edu
  :created_at: 2026-11-20 12:34:56.000000000 Z
  :results: !ruby/object:Result
    a: 1
submission_12:
  :submitters:
  - :name: Cho
    :sid:
"""


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def zipped(files, method=zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def submissions(path):
    return collect(path)[0]


def sources(found):
    return {submission.name: submission.source for submission in found}


def test_a_folder_of_folders_zips_and_files(tmp_path):
    files = {"anna/submitted.py": SOURCE, "ben.zip": zipped({"work/submitted.py": SOURCE}), "cho.py": SOURCE}
    files |= {"dan/readme.txt": "sorry", "eve/deep/er/submitted.py": SOURCE}
    assert sources(submissions(write(tmp_path, files))) == dict.fromkeys(("anna", "ben", "cho", "eve"), SOURCE) | {
        "dan": None
    }


def test_the_same_as_a_zip_with_a_folder_around_it(tmp_path):
    files = {"export/anna/submitted.py": SOURCE, "export/ben/submitted.py": SOURCE, "__MACOSX/export/._x": "junk"}
    path = tmp_path / "export.zip"
    path.write_bytes(zipped(files))
    assert sources(submissions(path)) == {"anna": SOURCE, "ben": SOURCE}


def test_a_folder_with_one_student(tmp_path):
    assert sources(submissions(write(tmp_path, {"anna/submitted.py": SOURCE}))) == {"anna": SOURCE}


def test_gradescopes_export(tmp_path):
    files = {"assignment_1_export/submission_metadata.yml": GRADESCOPE}
    files |= {f"assignment_1_export/submission_{i}/submitted.py": SOURCE for i in (11, 12)}
    path = tmp_path / "export.zip"
    path.write_bytes(zipped(files))
    first, second = submissions(path)
    assert (first.key, first.name) == ("anna_example.edu_ben_example.edu", "An\u0301na =Ormsby and Ben")
    assert (first.email, first.sid) == ("anna@example.edu,ben@example.edu", "0042")
    assert first.submitted_at.startswith("2026-11-20 12:34:56")
    assert (second.key, second.name, second.sid, second.source) == ("submission_12", "Cho", "", SOURCE)


def test_canvas_export(tmp_path):
    files = {"ormsbyanna_LATE_77_901_submitted-2.py": SOURCE, "ormsbyanna_LATE_77_902_notes.txt": "hello"}
    files |= {"choi_78_903_mp09.zip": zipped({"submitted.py": SOURCE}), "roster.csv": "x", "lee_79_text.html": "hi"}
    found, aside = collect(write(tmp_path, files))
    second, third, first = found
    assert aside == ["roster.csv"]
    assert (third.name, third.source) == ("lee", None)
    assert (first.key, first.name, first.sid, first.late, first.source) == (
        *("ormsbyanna_77", "ormsbyanna", "77"),
        *(True, SOURCE),
    )
    assert (second.sid, second.late, second.source) == ("78", False, SOURCE)


def test_canvas_export_of_groups_and_anonymous_students(tmp_path):
    files = {"section3group_4_78_902_submitted.py": SOURCE, "team_alpha_77_901_submitted.py": SOURCE}
    files |= {"anon_Ab3dE_903_submitted.py": SOURCE, "LATE_anon_Xy_904_submitted.py": SOURCE, "li_79_link.html": "x"}
    files |= {"mallory_99_950_li_79_999_submitted.py": SOURCE}
    found = {
        one.key: (one.name, one.sid, one.late, one.source, bool(one.problem))
        for one in submissions(write(tmp_path, files))
    }
    assert found == {
        "section3group_4_78": ("section3group_4", "78", False, SOURCE, False),
        "team_alpha_77": ("team_alpha", "77", False, SOURCE, False),
        "anon_Ab3dE": ("anon_Ab3dE", "", False, SOURCE, False),
        "anon_Xy": ("anon_Xy", "", True, SOURCE, False),
        "li_79": ("li", "79", False, None, False),
        "mallory_99_950_li_79_999_submitted.py": ("mallory_99_950_li_79_999_submitted.py", "", False, None, True),
    }


@pytest.mark.parametrize("name", ["./submitted.py", "a//submitted.py", "a\\submitted.py"])
def test_names_that_are_spelt_otherwise(tmp_path, name):
    files = {"anna/submitted.py": SOURCE, "ben.zip": zipped({name: SOURCE})}
    assert sources(submissions(write(tmp_path, files)))["ben"] == SOURCE


def test_a_name_that_is_almost_right_is_taken(tmp_path):
    files = {"anna/Submitted.py": SOURCE, "ben/mp09/submitted (1).py": SOURCE, "cho/submitted_1.py": SOURCE}
    files |= {"eve/submitted (1).py": SOURCE, "eve/old/submitted-1.py": SOURCE}
    files |= {"cho/mp09/submitted.py": b"right", "dan/submitted (1).py": SOURCE, "dan/submitted (2).py": SOURCE}
    found = submissions(write(tmp_path, files))
    assert sources(found) == {"anna": SOURCE, "ben": SOURCE, "cho": b"right", "dan": None, "eve": None}
    assert [one.remark for one in found[1:3]] == ["'submitted (1).py' was taken for submitted.py", ""]


def test_what_is_no_submission_is_named(tmp_path):
    write(tmp_path, {"anna/submitted.py": SOURCE, "AL.ZIP": zipped({"submitted.py": SOURCE}), "bo.ipynb": "{}"})
    (tmp_path / "empty").mkdir()
    found, aside = collect(tmp_path)
    assert sources(found) == {"AL": SOURCE, "anna": SOURCE, "empty": None}
    assert aside == ["bo.ipynb"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_name_that_is_no_text(tmp_path):
    os.mkdir(os.fsencode(tmp_path) + b"/b\xfcb")
    write(tmp_path, {"anna\x1b]0;evil/submitted.py": SOURCE})
    first, second = submissions(tmp_path)
    for submission in (first, second):
        submission.name.encode()
        assert submission.name.isprintable()
        assert submission.key.isascii()


def test_the_class_itself_may_be_reached_through_a_link(tmp_path):
    write(tmp_path, {"there/class/anna/submitted.py": SOURCE})
    (tmp_path / "here").symlink_to(tmp_path / "there")
    assert sources(submissions(tmp_path / "here" / "class")) == {"anna": SOURCE}
    (tmp_path / "class").symlink_to("there/class")
    assert sources(submissions(tmp_path / "class")) == {"anna": SOURCE}


@pytest.mark.parametrize("name", ["a b", "ünal", "<script>", "a;b", ".hidden", "x" * 200])
def test_keys_are_fit_for_file_names(tmp_path, name):
    one, _ = sorted(
        submissions(write(tmp_path, {f"{name}/submitted.py": SOURCE, "zz-other/submitted.py": SOURCE})),
        key=lambda submission: submission.name == "zz-other",
    )
    assert one.name == name
    assert not set(one.key) & set("<>; /\\")
    assert not one.key.startswith(".")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"submitted.py": SOURCE}, "is one submission"),
        ({"notes.txt": "x"}, "no submissions"),
        ({"submission_metadata.yml": "[1, 2", "a/submitted.py": SOURCE}, "not readable"),
        ({"submission_metadata.yml": "- 1", "a/submitted.py": SOURCE}, "not readable"),
        ({"submission_metadata.yml": "[" * 3000, "a/submitted.py": SOURCE}, "not readable"),
    ],
)
def test_what_is_no_export(tmp_path, files, message):
    with pytest.raises(ClassError, match=message):
        submissions(write(tmp_path, files))


def test_nothing_there(tmp_path):
    with pytest.raises(ClassError, match="no such folder"):
        submissions(tmp_path / "nowhere")
    (tmp_path / "file.txt").write_text("text")
    with pytest.raises(ClassError, match="not a readable zip"):
        submissions(tmp_path / "file.txt")


# Names and keys


def keys(folder):
    return {submission.name: submission.key for submission in submissions(folder)}


ALIKE = [
    ["a b", "a_b", "a@b"],
    ["Anna", "anna", "ANNA"],
    ["\u00fcnal", "u\u0308nal"],
    ["x" * 210 + "a", "x" * 210 + "b", "x" * 200],
    ["\u5f35" * 80, "\u5f35" * 79 + "\u738b"],
    ["a b", "a_b", f"a_b-{hashlib.sha256(b'a b').hexdigest()[:8]}"],
]


@pytest.mark.parametrize("names", ALIKE)
def test_names_that_are_alike_are_distinct_submissions(tmp_path, names):
    path = tmp_path / "class.zip"  # not a folder: a file system may take some of the names for the same
    path.write_bytes(zipped({f"{name}/submitted.py": f"# {name}" for name in [*names, "zoe"]}))
    found = submissions(path)
    assert {submission.name: submission.source.decode() for submission in found} == {
        n: f"# {n}" for n in [*names, "zoe"]
    }
    assert len({unicodedata.normalize("NFD", submission.key.casefold()) for submission in found}) == len(names) + 1
    assert max(len(submission.key.encode()) for submission in found) <= student_submission.KEY_BYTES
    assert keys(path) == {submission.name: submission.key for submission in found}


def test_ordinary_names_keep_their_keys(tmp_path):
    names = {"anna": "anna", "a b": "a_b", "O'Neil, Bo": "O_Neil_Bo", "x" * 200: "x" * 200, "bo.b-1": "bo.b-1"}
    assert keys(write(tmp_path, {f"{name}/submitted.py": SOURCE for name in names})) == names


def test_who_is_called_as_the_key_keeps_it(tmp_path):
    one = keys(write(tmp_path, {"a b/submitted.py": SOURCE, "zoe/submitted.py": SOURCE}))
    two = keys(write(tmp_path, {"a_b/submitted.py": SOURCE}))
    assert (one["a b"], two["a_b"], two["zoe"]) == ("a_b", "a_b", "zoe")
    assert two["a b"].startswith("a_b-")


def test_a_folder_and_a_zip_of_one_name(tmp_path):
    files = {"anna/submitted.py": SOURCE, "anna.zip": zipped({"submitted.py": SOURCE}), "ben.py": SOURCE}
    anna, ben = submissions(write(tmp_path, files))
    assert (anna.key, anna.source, ben.source) == ("anna", None, SOURCE)
    assert "there are 2 submissions under this name" in anna.problem


def test_a_name_of_canvas_that_is_cut_keeps_its_number(tmp_path):
    path = tmp_path / "class.zip"
    path.write_bytes(zipped({"\u5f35" * 150 + "_78_903_submitted.py": SOURCE, "choi_79_904_submitted.py": SOURCE}))
    assert [submission.key.rpartition("_")[2] for submission in submissions(path)] == ["79", "78"]


def test_an_alias_for_a_text_is_that_text(tmp_path):
    text = "submission_1:\n  :created_at: &1 2026-11-20\n  :submitters:\n  - :name: Cho\n    :sid: *1\n"
    (cho,) = submissions(write(tmp_path, {"submission_metadata.yml": text, "submission_1/submitted.py": SOURCE}))
    assert (cho.submitted_at, cho.sid) == ("2026-11-20", "2026-11-20")


@pytest.mark.parametrize("about", ["[1]", "1", "{':submitters': 1}", "{':submitters': [1, [2]]}", "9" * 100_000])
def test_an_entry_that_says_nothing_leaves_the_folders_name(tmp_path, about):
    files = {"submission_metadata.yml": f"{GRADESCOPE}a: {about}\n", "a/submitted.py": SOURCE}
    assert {submission.key: submission.source for submission in submissions(write(tmp_path, files))}["a"] == SOURCE
