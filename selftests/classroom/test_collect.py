"""Submissions are found in every layout, and nothing that they hold can harm."""

import io
import os
import random
import sys
import zipfile

import pytest

from mp09.classroom.collect import SOURCE_BYTES, collect
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


def handins(path):
    return collect(path)[0]


def sources(found):
    return {handin.name: handin.source for handin in found}


def test_a_folder_of_folders_zips_and_files(tmp_path):
    files = {"anna/submitted.py": SOURCE, "ben.zip": zipped({"work/submitted.py": SOURCE}), "cho.py": SOURCE}
    files |= {"dan/readme.txt": "sorry", "eve/deep/er/submitted.py": SOURCE}
    assert sources(handins(write(tmp_path, files))) == dict.fromkeys(("anna", "ben", "cho", "eve"), SOURCE) | {
        "dan": None
    }


def test_the_same_as_a_zip_with_a_folder_around_it(tmp_path):
    files = {"export/anna/submitted.py": SOURCE, "export/ben/submitted.py": SOURCE, "__MACOSX/export/._x": "junk"}
    path = tmp_path / "export.zip"
    path.write_bytes(zipped(files))
    assert sources(handins(path)) == {"anna": SOURCE, "ben": SOURCE}


def test_a_folder_with_one_student(tmp_path):
    assert sources(handins(write(tmp_path, {"anna/submitted.py": SOURCE}))) == {"anna": SOURCE}


def test_gradescopes_export(tmp_path):
    files = {"assignment_1_export/submission_metadata.yml": GRADESCOPE}
    files |= {f"assignment_1_export/submission_{i}/submitted.py": SOURCE for i in (11, 12)}
    path = tmp_path / "export.zip"
    path.write_bytes(zipped(files))
    first, second = handins(path)
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
        (zipped({"submitted.py": b"#" * (SOURCE_BYTES + 1)}), "larger than"),
        (zipped({"a/" * 32_000 + "submitted.py": SOURCE}), "characters"),
        (zipped(dict.fromkeys(map(str, range(10_001)), "")), "more than 10000 files"),
        (zipped({"submitted.py": SOURCE}).replace(b"\x14\x00\x00\x00\x08", b"\x63\x00\x00\x00\x08"), "readable"),
    ],
)
def test_a_zip_that_is_not_good_is_the_instructors_to_look_at(tmp_path, content, problem):
    good, bad = handins(write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": content}))
    assert good.source == SOURCE
    assert bad.source is None
    assert problem in bad.problem


def test_a_zip_bomb_is_read_no_further_than_needed(tmp_path):
    bomb = zipped({"submitted.py": b"\0" * (1 << 27)})
    assert len(bomb) < 1 << 20
    _, bad = handins(write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": bomb}))
    assert "larger than" in bad.problem


def test_a_damaged_or_encrypted_member(tmp_path):
    damaged = bytearray(zipped({"submitted.py": os.urandom(5000)}))
    damaged[200:300] = bytes(100)
    _, bad = handins(write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": bytes(damaged)}))
    assert bad.problem


@pytest.mark.parametrize("name", ["./submitted.py", "a//submitted.py", "a\\submitted.py"])
def test_names_that_are_spelt_otherwise(tmp_path, name):
    files = {"anna/submitted.py": SOURCE, "ben.zip": zipped({name: SOURCE})}
    assert sources(handins(write(tmp_path, files)))["ben"] == SOURCE


def test_damage_of_every_kind_is_one_students_problem(tmp_path):
    generator = random.Random(0)
    whole = {method: zipped({"submitted.py": SOURCE * 50}, method) for method in (0, 8, 12, 14)}  # stored .. lzma
    for number in range(400):
        damaged = bytearray(whole[generator.choice(list(whole))])
        for _ in range(generator.randint(1, 20)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        (tmp_path / f"{number}.zip").write_bytes(damaged)
    found = handins(tmp_path)
    assert len(found) == 400
    assert 100 < sum(bool(handin.problem) for handin in found) < 400


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
    first, second = handins(tmp_path)
    for handin in (first, second):
        handin.name.encode()
        assert handin.name.isprintable()
        assert handin.key.isascii()


def test_links_and_pipes_are_not_followed(tmp_path):
    write(tmp_path, {"anna/submitted.py": SOURCE, "mallory/x.txt": "x"})
    (tmp_path / "mallory" / "submitted.py").symlink_to("/etc/passwd")
    (tmp_path / "oscar").symlink_to("/etc")
    os.mkfifo(tmp_path / "mallory" / "pipe.py")
    assert sources(handins(tmp_path)) == {"anna": SOURCE, "mallory": None}


def test_a_zip_in_a_zip_in_a_zip_is_not_opened(tmp_path):
    inner = zipped({"submitted.py": SOURCE})
    _, nested = handins(write(tmp_path, {"anna/submitted.py": SOURCE, "ben.zip": zipped({"again.zip": inner})}))
    assert (nested.source, nested.problem) == (None, "")


@pytest.mark.parametrize("name", ["a b", "ünal", "<script>", "a;b", ".hidden", "x" * 200])
def test_keys_are_fit_for_file_names(tmp_path, name):
    one, _ = sorted(
        handins(write(tmp_path, {f"{name}/submitted.py": SOURCE, "zz-other/submitted.py": SOURCE})),
        key=lambda handin: handin.name == "zz-other",
    )
    assert one.name == name
    assert not set(one.key) & set("<>; /\\")
    assert not one.key.startswith(".")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"submitted.py": SOURCE}, "is one submission"),
        ({"notes.txt": "x"}, "no submissions"),
        ({"anna/submitted.py": SOURCE, "anna.zip": zipped({"submitted.py": SOURCE})}, "called alike: anna, anna"),
        ({"a b/submitted.py": SOURCE, "a_b/submitted.py": SOURCE}, "called alike: a b, a_b"),
        ({"submission_metadata.yml": "[1, 2", "a/submitted.py": SOURCE}, "not readable"),
        ({"submission_metadata.yml": "- 1", "a/submitted.py": SOURCE}, "not readable"),
        ({"submission_metadata.yml": "a: [1]", "a/submitted.py": SOURCE}, "not readable"),
        ({"submission_metadata.yml": "[" * 3000, "a/submitted.py": SOURCE}, "not readable"),
    ],
)
def test_what_is_no_export(tmp_path, files, message):
    with pytest.raises(ClassError, match=message):
        handins(write(tmp_path, files))


def test_nothing_there(tmp_path):
    with pytest.raises(ClassError, match="no such folder"):
        handins(tmp_path / "nowhere")
    (tmp_path / "file.txt").write_text("text")
    with pytest.raises(ClassError, match="not a readable zip"):
        handins(tmp_path / "file.txt")
