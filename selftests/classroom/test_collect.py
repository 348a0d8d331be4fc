"""Submissions are found in every layout, and nothing that they hold can harm."""

import io
import os
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


def zipped(files) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def sources(handins):
    return {handin.name: handin.source for handin in handins}


def test_a_folder_of_folders_zips_and_files(tmp_path):
    files = {"anna/submitted.py": SOURCE, "ben.zip": zipped({"work/submitted.py": SOURCE}), "cho.py": SOURCE}
    files |= {"dan/readme.txt": "sorry", "eve/deep/er/submitted.py": SOURCE}
    assert sources(collect(write(tmp_path, files))) == dict.fromkeys(("anna", "ben", "cho", "eve"), SOURCE) | {
        "dan": None
    }


def test_the_same_as_a_zip_with_a_folder_around_it(tmp_path):
    files = {"export/anna/submitted.py": SOURCE, "export/ben/submitted.py": SOURCE, "__MACOSX/export/._x": "junk"}
    path = tmp_path / "export.zip"
    path.write_bytes(zipped(files))
    assert sources(collect(path)) == {"anna": SOURCE, "ben": SOURCE}


def test_a_folder_with_one_student(tmp_path):
    assert sources(collect(write(tmp_path, {"anna/submitted.py": SOURCE}))) == {"anna": SOURCE}


def test_gradescopes_export(tmp_path):
    files = {"assignment_1_export/submission_metadata.yml": GRADESCOPE}
    files |= {f"assignment_1_export/submission_{i}/submitted.py": SOURCE for i in (11, 12)}
    path = tmp_path / "export.zip"
    path.write_bytes(zipped(files))
    first, second = collect(path)
    assert (first.key, first.name) == ("submission_11", "An\u0301na =Ormsby and Ben")
    assert (first.email, first.sid) == ("anna@example.edu,ben@example.edu", "0042")
    assert first.submitted_at.startswith("2026-11-20 12:34:56")
    assert (second.name, second.sid, second.source) == ("Cho", "", SOURCE)


def test_canvas_export(tmp_path):
    files = {"ormsbyanna_LATE_77_901_submitted-2.py": SOURCE, "ormsbyanna_LATE_77_902_notes.txt": "hello"}
    files |= {"choi_78_903_mp09.zip": zipped({"submitted.py": SOURCE})}
    second, first = collect(write(tmp_path, files))
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
    ],
)
def test_a_zip_that_is_not_good_is_the_instructors_to_look_at(tmp_path, content, problem):
    good, bad = collect(write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": content}))
    assert good.source == SOURCE
    assert bad.source is None
    assert problem in bad.problem


def test_a_zip_bomb_is_read_no_further_than_needed(tmp_path):
    bomb = zipped({"submitted.py": b"\0" * (1 << 27)})
    assert len(bomb) < 1 << 20
    _, bad = collect(write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": bomb}))
    assert "larger than" in bad.problem


def test_a_damaged_or_encrypted_member(tmp_path):
    damaged = bytearray(zipped({"submitted.py": os.urandom(5000)}))
    damaged[200:300] = bytes(100)
    _, bad = collect(write(tmp_path, {"anna/submitted.py": SOURCE, "mallory.zip": bytes(damaged)}))
    assert bad.problem


def test_links_and_pipes_are_not_followed(tmp_path):
    write(tmp_path, {"anna/submitted.py": SOURCE, "mallory/x.txt": "x"})
    (tmp_path / "mallory" / "submitted.py").symlink_to("/etc/passwd")
    (tmp_path / "oscar").symlink_to("/etc")
    os.mkfifo(tmp_path / "mallory" / "pipe.py")
    assert sources(collect(tmp_path)) == {"anna": SOURCE, "mallory": None}


def test_a_zip_in_a_zip_in_a_zip_is_not_opened(tmp_path):
    inner = zipped({"submitted.py": SOURCE})
    _, nested = collect(write(tmp_path, {"anna/submitted.py": SOURCE, "ben.zip": zipped({"again.zip": inner})}))
    assert (nested.source, nested.problem) == (None, "")


@pytest.mark.parametrize("name", ["a b", "ünal", "<script>", "a;b", ".hidden", "x" * 200])
def test_keys_are_fit_for_file_names(tmp_path, name):
    one, _ = sorted(
        collect(write(tmp_path, {f"{name}/submitted.py": SOURCE, "zz-other/submitted.py": SOURCE})),
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
    ],
)
def test_what_is_no_export(tmp_path, files, message):
    with pytest.raises(ClassError, match=message):
        collect(write(tmp_path, files))


def test_nothing_there(tmp_path):
    with pytest.raises(ClassError, match="no such folder"):
        collect(tmp_path / "nowhere")
    (tmp_path / "file.txt").write_text("text")
    with pytest.raises(ClassError, match="not a readable zip"):
        collect(tmp_path / "file.txt")
