"""Tests that damaged or hostile files of one student are that student's problem, and never the class's."""

import io
import os
import random
import struct
import subprocess
import time
import zipfile

import pytest

from mp09.classroom.collect import collect
from mp09.classroom.contents import DEPTH
from mp09.grading import rubric
from mp09.grading.diagnose.submitted_file import LINKED
from selftests.classroom.test_collect import SOURCE, sources, submissions, write, zipped


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


def test_a_zip_in_a_zip_in_a_zip_is_not_opened(tmp_path):
    inner = zipped({"submitted.py": SOURCE})
    _, nested = submissions(write(tmp_path, {"anna/submitted.py": SOURCE, "ben.zip": zipped({"again.zip": inner})}))
    assert (nested.source, nested.problem) == (None, "")


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
