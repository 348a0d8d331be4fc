"""Tests that submissions are found in every layout, and that nothing in them can do harm."""

import hashlib
import io
import os
import random
import struct
import subprocess
import sys
import time
import unicodedata
import zipfile

import pytest

from mp09.classroom import student_submission
from mp09.classroom.collect import collect
from mp09.classroom.contents import DEPTH
from mp09.errors import ClassError
from mp09.grading import rubric
from mp09.grading.diagnose.calls import LINKED

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


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"PK\x03\x04 broken", "not a readable zip"),
        (zipped({"../../submitted.py": SOURCE}), "outside"),
        (zipped({"/etc/submitted.py": SOURCE}), "outside"),
        (zipped({"C:/submitted.py": SOURCE}), "outside"),
        (zipped({"a/submitted.py": SOURCE, "b/submitted.py": SOURCE}), "several files"),
        (zipped({"submitted.py": b"#" * (rubric.SOURCE_LIMIT + 1)}), "larger than"),
        (zipped({"a/" * 32_000 + "submitted.py": SOURCE}), "characters"),
        (zipped(dict.fromkeys(map(str, range(10_001)), "")), "more than 10000 files"),
        (zipped({"submitted.py": SOURCE}, zipfile.ZIP_BZIP2), "unusual way"),
        (zipped({"submitted.py": SOURCE}, zipfile.ZIP_LZMA), "unusual way"),
        (zipped({"d/" * (DEPTH + 1) + "submitted.py": SOURCE}), "folders in one another"),
        (zipped({"submitted.py": SOURCE}).replace(b"\x14\x00\x00\x00\x08", b"\x63\x00\x00\x00\x08"), "readable"),
    ],
)
def test_a_zip_that_is_not_good_is_the_instructors_to_look_at(tmp_path, content, problem):
    good, bad = submissions(write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": content}))
    assert good.source == SOURCE
    assert bad.source is None
    assert problem in bad.problem


def test_a_zip_bomb_is_read_no_further_than_needed(tmp_path):
    bomb = zipped({"submitted.py": b"\0" * (1 << 27)})
    assert len(bomb) < 1 << 20
    _, bad = submissions(write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": bomb}))
    assert "larger than" in bad.problem


def test_a_damaged_or_encrypted_member(tmp_path):
    damaged = bytearray(zipped({"submitted.py": os.urandom(5000)}))
    damaged[200:300] = bytes(100)
    _, bad = submissions(write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": bytes(damaged)}))
    assert bad.problem


@pytest.mark.parametrize("name", ["./submitted.py", "a//submitted.py", "a\\submitted.py"])
def test_names_that_are_spelt_otherwise(tmp_path, name):
    files = {"anna/submitted.py": SOURCE, "ben.zip": zipped({name: SOURCE})}
    assert sources(submissions(write(tmp_path, files)))["ben"] == SOURCE


def test_damage_of_every_kind_is_one_students_problem(tmp_path):
    generator = random.Random(0)
    whole = {method: zipped({"submitted.py": SOURCE * 50}, method) for method in (0, 8)}  # 0: stored, 8: deflated
    for number in range(400):
        damaged = bytearray(whole[generator.choice(list(whole))])
        for _ in range(generator.randint(1, 20)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        (tmp_path / f"{number}.zip").write_bytes(damaged)
    found = submissions(tmp_path)
    assert len(found) == 400
    assert 100 < sum(bool(submission.problem) for submission in found) < 400


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


def test_pipes_are_not_waited_for(tmp_path):
    write(tmp_path, {"anna/submitted.py": SOURCE, "mallory/x.txt": "x"})
    os.mkfifo(tmp_path / "mallory" / "submitted.py")
    os.mkfifo(tmp_path / "oscar.zip")
    found, aside = collect(tmp_path)
    assert (sources(found), aside) == ({"anna": SOURCE, "mallory": None}, ["oscar.zip"])


def links(folder):
    """Make students who submit links: to anna's file or folder, in a folder of their own or instead of one."""
    write(folder, {"anna/submitted.py": SOURCE, "ben/x.txt": "x", "cho/x.txt": "x"})
    (folder / "ben" / "submitted.py").symlink_to(folder / "anna" / "submitted.py")
    (folder / "cho" / "work").symlink_to(folder / "anna")
    (folder / "dan").symlink_to(folder / "anna")
    (folder / "eve.py").symlink_to(folder / "anna" / "submitted.py")


def test_no_link_is_followed_and_its_student_is_told(tmp_path):
    links(tmp_path)
    problems = {submission.key: submission.problem for submission in submissions(tmp_path)}
    assert problems == {"anna": ""} | dict.fromkeys(["ben", "cho", "dan", "eve"], LINKED)


def test_a_link_in_a_zip_is_none_in_the_folder_it_becomes(tmp_path):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        link = zipfile.ZipInfo("work")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "../anna")
        archive.writestr("work/submitted.py", SOURCE)
    _, bad = submissions(write(tmp_path, {"anna/submitted.py": SOURCE, "ben.zip": content.getvalue()}))
    assert (bad.source, bad.problem) == (None, LINKED)


def test_the_class_itself_may_be_reached_through_a_link(tmp_path):
    write(tmp_path, {"there/class/anna/submitted.py": SOURCE})
    (tmp_path / "here").symlink_to(tmp_path / "there")
    assert sources(submissions(tmp_path / "here" / "class")) == {"anna": SOURCE}
    (tmp_path / "class").symlink_to("there/class")
    assert sources(submissions(tmp_path / "class")) == {"anna": SOURCE}


def test_a_zip_in_a_zip_in_a_zip_is_not_opened(tmp_path):
    inner = zipped({"submitted.py": SOURCE})
    _, nested = submissions(write(tmp_path, {"anna/submitted.py": SOURCE, "ben.zip": zipped({"again.zip": inner})}))
    assert (nested.source, nested.problem) == (None, "")


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


# Bad files of one student do not affect the others


def entries(number: int, claimed: int) -> bytes:
    """Return a zip's directory with `number` entries and no files, which claims to have `claimed` entries."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, *[0] * 14)
    ends = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, claimed, claimed, len(entry) * number, 0, 0)
    return entry * number + ends


def with_zip64(content: bytes, claimed: int) -> bytes:
    """Return the same zip with a 64-bit end record before the ordinary one."""
    directory, ends = content[:-22], content[-22:]
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, claimed, claimed, len(directory), 0)
    return directory + end + struct.pack("<4sLQL", b"PK\6\7", 0, len(directory), 1) + ends


@pytest.mark.parametrize("claimed", [1, 65_535])
@pytest.mark.parametrize("change", [lambda content: content, lambda content: with_zip64(content, 2)])
def test_the_entries_of_a_zip_are_counted_before_they_are_read(tmp_path, claimed, change):
    write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": change(entries(1_400_000, claimed))})
    started = time.process_time()
    _, bad = submissions(tmp_path)
    assert time.process_time() - started < 5
    assert bad.problem == "mallory.zip: more than 10000 files"


def test_a_zip_within_a_zip_may_have_any_number(tmp_path):
    files = {"submitted.py": SOURCE, "images.zip": entries(20_000, 20_000)}
    _, ben = submissions(write(tmp_path, {"anna/submitted.py": SOURCE, "ben.zip": zipped(files, zipfile.ZIP_STORED)}))
    assert ben.source == SOURCE


def test_a_bzip2_bomb_is_not_unpacked(tmp_path):
    _, bad = submissions(
        write(tmp_path, {"anna.py": SOURCE, "mallory.zip": zipped({"submitted.py": bytes(1 << 26)}, 12)})
    )
    assert (bad.source, "unusual way" in bad.problem) == (None, True)


def test_a_thousand_folders_in_one_another(tmp_path):
    write(tmp_path, {"anna/submitted.py": SOURCE})
    os.mkdir(tmp_path / "mallory")
    place = os.open(tmp_path / "mallory", os.O_RDONLY)
    for _ in range(1200):  # deeper than Python's limit for recursion
        os.mkdir("d", dir_fd=place)
        outer, place = place, os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(outer)
    os.close(place)
    try:
        anna, bad = submissions(tmp_path)
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "mallory"], check=True)
    assert (anna.source, "folders in one another" in bad.problem) == (SOURCE, True)


def test_what_lies_beside_a_file_at_the_top_does_not_matter(tmp_path):
    files = {"anna/submitted.py": SOURCE} | {f"anna/venv/{number}": "" for number in range(10_050)}
    files |= {f"ben/venv/{number}": "" for number in range(10_050)}
    path = tmp_path / "class.zip"
    path.write_bytes(zipped(files))
    anna, ben = submissions(path)
    assert (anna.source, ben.problem) == (SOURCE, "more than 10000 files")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read(tmp_path):
    write(tmp_path, {"anna/submitted.py": SOURCE, "ben/submitted.py": SOURCE})
    (tmp_path / "ben").chmod(0)
    assert [bool(submission.problem) for submission in submissions(tmp_path)] == [False, True]


@pytest.mark.parametrize("name", ["../../x", "a/../../x", "y" * 1001])
def test_a_bad_name_in_a_zip_of_a_class_is_one_students(tmp_path, name):
    path = tmp_path / "class.zip"
    path.write_bytes(zipped({"anna/submitted.py": SOURCE, "ben/submitted.py": SOURCE, f"mallory/{name}": "x"}))
    found = {submission.name: (submission.source, bool(submission.problem)) for submission in submissions(path)}
    assert found == {"anna": (SOURCE, False), "ben": (SOURCE, False), "mallory": (None, True)}


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


# Gradescope's metadata


OWN = "submission_1:\n  :submitters:\n  - :name: Ben\n    :email: ben@example.edu\n"


@pytest.mark.parametrize("place", ["anna", "submission_7", "x/anna"])
def test_a_student_names_nobody(tmp_path, place):
    write(tmp_path, {f"{place}/submission_metadata.yml": OWN, f"{place}/submission_1/submitted.py": SOURCE})
    assert sources(submissions(tmp_path)) == {place.split("/")[0]: SOURCE}


def laughs(kind: str) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]" if kind == "list" else "a0: &a0 {a: x}"]
    for number in range(1, 30):
        repeated = ", ".join([f"*a{number - 1}"] * 9)
        merged = f"{{<<: [{repeated}]}}"
        lines.append(f"a{number}: &a{number} {f'[{repeated}]' if kind == 'list' else merged}")
    return "\n".join(lines)


@pytest.mark.parametrize("kind", ["list", "merge"])
def test_what_repeats_itself_without_end_is_not_written_out(tmp_path, kind):
    text = f"{laughs(kind)}\nsubmission_1:\n  :submitters:\n  - :name: *a29\n    :sid: *a29\n    :email: cho@x\n"
    text += "  :created_at: *a29\n"
    files = {"submission_metadata.yml": text, "submission_1/submitted.py": SOURCE}
    started = time.process_time()
    found = {submission.key: submission for submission in submissions(write(tmp_path, files))}
    assert time.process_time() - started < 5
    assert (found["cho_x"].name, found["cho_x"].sid, found["cho_x"].source) == ("cho@x", "", SOURCE)


def test_an_alias_for_a_text_is_that_text(tmp_path):
    text = "submission_1:\n  :created_at: &1 2026-11-20\n  :submitters:\n  - :name: Cho\n    :sid: *1\n"
    (cho,) = submissions(write(tmp_path, {"submission_metadata.yml": text, "submission_1/submitted.py": SOURCE}))
    assert (cho.submitted_at, cho.sid) == ("2026-11-20", "2026-11-20")


@pytest.mark.parametrize("about", ["[1]", "1", "{':submitters': 1}", "{':submitters': [1, [2]]}", "9" * 100_000])
def test_an_entry_that_says_nothing_leaves_the_folders_name(tmp_path, about):
    files = {"submission_metadata.yml": f"{GRADESCOPE}a: {about}\n", "a/submitted.py": SOURCE}
    assert {submission.key: submission.source for submission in submissions(write(tmp_path, files))}["a"] == SOURCE
