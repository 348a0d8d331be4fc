"""Tests that the handout is complete, works, and gives nothing away."""

import json
import os
import py_compile
import subprocess
import sys
import zipfile

import pytest

from mp09.data.cifar import read_batch
from mp09.data.origins import from_synthetic
from mp09.data.prepare import make_batches
from mp09.errors import ReleaseError
from mp09.release.cases import BRIEF, edited
from mp09.release.handout import ROOT as FOLDER
from mp09.release.handout import build_handout
from mp09.release.strip import BEGIN, END
from selftests.conftest import ROOT


@pytest.fixture(scope="module")
def archive(small_data, tmp_path_factory):
    return build_handout(ROOT, tmp_path_factory.mktemp("dist") / "handout.zip", data=small_data)


@pytest.fixture
def handout(archive, tmp_path):
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path)
    return tmp_path / FOLDER


def grade(folder, *options):
    return subprocess.run(
        [sys.executable, "grade.py", *options], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )


def solution_lines() -> list[str]:
    """Return the lines of the reference that tell how to solve a task."""
    inside, lines = False, []
    for line in (ROOT / "submitted.py").read_text().splitlines():
        inside = (inside or bool(BEGIN.match(line))) and not END.match(line)
        if inside and not BEGIN.match(line) and len(line.strip()) > 30:
            lines.append(line.strip())
    return lines


def test_it_holds_what_the_course_lists(handout):
    names = {path.name for path in handout.iterdir()}
    assert names >= {"mp09_notebook.ipynb", "submitted.py", "models.py", "grade.py", "tests", "cifar10_batches"}
    assert names >= {"resnet18.pt", "requirements.txt", "README.md"}


def test_nothing_of_the_solution_is_in_it(handout):
    lines = solution_lines()
    assert len(lines) > 20
    texts = {path: path.read_text() for path in handout.rglob("*") if path.suffix in {".py", ".md", ".ipynb", ".txt"}}
    assert not [(path.name, line) for path, text in texts.items() for line in lines if line in text]
    assert not any("BEGIN SOLUTION" in text for text in texts.values())


def test_no_hidden_tests_and_no_private_images(handout):
    names = [path.relative_to(handout).as_posix() for path in handout.rglob("*")]
    assert [name for name in names if name.startswith("tests/")] == ["tests/test_visible.py"]
    assert not [name for name in names if "holdout" in name or "selftests" in name or "release" in name]


def test_the_holdout_stays_home(small_data, tmp_path):
    data = tmp_path / "cifar10_batches"
    make_batches(data, from_synthetic(0), per_file=40, holdout=40)
    private, secret = (
        (tmp_path / "cifar10_batches_holdout" / n).read_bytes() for n in ("holdout_batch", "secret_seed")
    )
    with zipfile.ZipFile(build_handout(ROOT, tmp_path / "handout.zip", data=data)) as file:
        assert not any("holdout" in name or "secret" in name for name in file.namelist())
        assert private not in [file.read(name) for name in file.namelist()]
        assert not any(secret.strip() in file.read(name) for name in file.namelist())


def test_a_student_cannot_repeat_the_holdout(tmp_path):
    """The student has only the handout, and asks its program for what its SOURCE.json says."""
    data = tmp_path / "cifar10_batches"
    make_batches(data, from_synthetic(0), per_file=40, holdout=40)
    with zipfile.ZipFile(build_handout(ROOT, tmp_path / "handout.zip", data=data)) as file:
        file.extractall(tmp_path)
    handout = tmp_path / FOLDER
    source = json.loads((handout / "cifar10_batches" / "SOURCE.json").read_text())
    asked = [
        str(value)
        for name in ("seed", "per_file", "holdout")
        for value in ("--" + name.replace("_", "-"), source[name])
    ]
    subprocess.run(
        [sys.executable, "-m", "mp09", "data", "--synthetic", "--out", "again", *asked], cwd=handout, check=True
    )
    again, private = (
        {image.tobytes() for image in read_batch(folder / "holdout_batch").images}
        for folder in (handout / "again_holdout", tmp_path / "cifar10_batches_holdout")
    )
    assert len(again) == len(private) == 40
    assert not again & private


def test_every_file_compiles(handout):
    for path in handout.rglob("*.py"):
        py_compile.compile(str(path), doraise=True)


def test_the_first_run_fails_in_words_and_quickly(handout):
    before = os.times()
    done = grade(handout)
    after = os.times()  # seconds on a processor: how long it takes depends on what else runs
    assert after.children_user + after.children_system - before.children_user - before.children_system < 20
    assert done.returncode == 0
    assert "Traceback" not in done.stdout + done.stderr
    assert "✓" not in done.stdout
    assert done.stdout.count("docs/student.md#not-written") == done.stdout.count("✗") == 6
    assert "Score     0 / 30" in done.stdout


def test_the_readme_shows_what_the_first_run_prints(handout):
    readme = (handout / "README.md").read_text()
    shown = [line.strip() for line in readme.partition("✗")[2].partition("Every failure")[0].splitlines()]
    printed = " ".join([*grade(handout, "--only", "dataset").stdout.split(), "...", "Score", "0", "/", "30"])
    missing = [line for line in shown if " ".join(line.split()) not in printed]
    assert len(shown) > 5
    assert not missing


def test_with_the_reference_filled_in_it_gives_the_visible_points(handout):
    (handout / "submitted.py").write_text(edited((ROOT / "submitted.py").read_text(), BRIEF))
    done = grade(handout)
    assert "Score     30 / 30" in done.stdout
    assert "✗" not in done.stdout


def test_the_notebook_has_no_results(archive):
    with zipfile.ZipFile(archive) as file:
        notebook = json.loads(file.read(f"{FOLDER}/mp09_notebook.ipynb"))
    outputs = json.dumps([cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"])
    assert "image/png" not in outputs
    assert "accuracy 0." not in outputs
    assert "ok: the model learns" in outputs  # nbval compares a student's outputs with these


def test_nbval_takes_the_notebook_of_a_student_on_the_way(handout):
    notebook = json.loads((handout / "mp09_notebook.ipynb").read_text())
    headings = ["".join(cell["source"]).split("\n")[0] for cell in notebook["cells"]]
    notebook["cells"] = notebook["cells"][: headings.index("## Training")]
    (handout / "mp09_notebook.ipynb").write_text(json.dumps(notebook))
    (handout / "submitted.py").write_text((ROOT / "submitted.py").read_text())
    command = [sys.executable, "-m", "pytest", "--nbval", "mp09_notebook.ipynb", "-q"]
    done = subprocess.run(command, cwd=handout, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_only_commands_whose_room_is_there(handout):
    done = subprocess.run([sys.executable, "-m", "mp09", "--help"], cwd=handout, capture_output=True, text=True)
    assert "doctor" in done.stdout
    assert "validate" not in done.stdout
    assert "release" not in done.stdout


def test_without_data_students_make_their_own(tmp_path):
    with zipfile.ZipFile(build_handout(ROOT, tmp_path / "handout.zip")) as file:
        assert not any("cifar10_batches" in name for name in file.namelist())
        assert "python -m mp09 data" in file.read(f"{FOLDER}/README.md").decode()


def test_two_builds_are_equal(archive, small_data, tmp_path):
    again = build_handout(ROOT, tmp_path / "again.zip", data=small_data)
    assert again.read_bytes() == archive.read_bytes()


def test_a_kit_that_is_not_whole(tmp_path):
    with pytest.raises(ReleaseError, match="missing"):
        build_handout(tmp_path, tmp_path / "handout.zip")
    assert not (tmp_path / "handout.zip").exists()


def test_fetching_is_refused_while_images_are_held_out(tmp_path, capsys):
    from mp09.cli import main

    holdout = tmp_path / "cifar10_batches_holdout" / "holdout_batch"
    holdout.parent.mkdir()
    holdout.write_bytes(b"")
    out = tmp_path / "handout.zip"
    options = ["--batches", str(tmp_path / "cifar10_batches"), "--out", str(out)]
    assert main(["release", "handout", "--data", "fetch", *options]) == 2
    assert "held out" in capsys.readouterr().err
    assert not out.exists()
