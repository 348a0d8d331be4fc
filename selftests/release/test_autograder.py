"""Tests Gradescope's autograder in the folders and in the way in which Gradescope runs it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import psutil
import pytest

from mp09.data.origins import from_synthetic
from mp09.data.prepare import make_batches
from mp09.errors import ReleaseError
from mp09.release.autograder import build_autograder
from mp09.release.cases import BRIEF, UNTRAINED, edited
from mp09.release.strip import strip
from selftests.conftest import ROOT
from selftests.settings import why_not, within

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="Gradescope's containers run Linux, as root"
)
HERE = Path(__file__).parent
SCHEMA = json.loads((HERE / "results.schema.json").read_text())
CONTAINER = [sys.executable, HERE / "container.py"]
REFERENCE = (ROOT / "submitted.py").read_text()
METADATA = {"id": 123, "created_at": "2026-11-21T12:00:00Z", "users": [{"name": "A", "email": "a@example.edu"}]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "cifar10_batches"
    make_batches(folder, from_synthetic(0), per_file=400, holdout=240, secret=14)  # the same as in `validate`
    return folder


@pytest.fixture(scope="module")
def package(data, tmp_path_factory):
    return build_autograder(ROOT, tmp_path_factory.mktemp("dist") / "autograder.zip", data=data, leaderboard=True)


def lay_out(package, root, submission, *, image=True):
    """Make Gradescope's folders below `root`, and run setup.sh there without its installations."""
    root.chmod(0o755)
    with zipfile.ZipFile(package) as file:
        file.extractall(root / "source")
        for info in file.infolist():
            (root / "source" / info.filename).chmod(info.external_attr >> 16)
    (root / "venv").symlink_to(sys.prefix)
    shutil.copy(root / "source" / "run_autograder", root)
    (root / "submission").mkdir()
    (root / "submission" / "submitted.py").write_text(submission)
    (root / "submission_metadata.json").write_text(json.dumps(METADATA))
    (root / "results").mkdir()
    (root / "results" / "results.json").write_text('{"score": 100}')  # from an earlier submission
    subprocess.run([*CONTAINER, root / "source" / "setup.sh", root, "--no-install"], check=True)
    return root


def run(root):
    done = subprocess.run(
        [*CONTAINER, root / "run_autograder", root], cwd=root, capture_output=True, text=True, encoding="utf-8"
    )
    return done, root / "results" / "results.json"


def validate_format(results: dict) -> None:
    from jsonschema import validate  # imported here, as that takes seconds

    validate(results, SCHEMA)


@pytest.fixture(scope="module")
def graded(package, tmp_path_factory):
    submission = edited(REFERENCE, BRIEF)
    root = lay_out(package, tmp_path_factory.mktemp("autograder"), submission)
    done, results = run(root)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(results.read_text())


def test_the_reference_gets_its_points(graded):
    assert graded["score"] == 100
    assert sum(test["score"] for test in graded["tests"]) == 100
    assert graded["extra_data"]["data_source"] == "synthetic, held out"


def test_results_are_in_gradescopes_format(graded):
    validate_format(graded)
    assert max(len(test["output"]) for test in graded["tests"]) < 100_000


def test_isolation_holds_in_a_container(graded):
    assert graded["extra_data"]["isolation"] == "sandboxed"


@pytest.mark.parametrize(
    ("edits", "points"),
    [(UNTRAINED, 40), pytest.param(BRIEF, 100, marks=pytest.mark.proof)],
    ids=["quick", "reference"],
)
def test_without_landlock_it_grades_at_level_user(package, tmp_path, edits, points):
    """The container may mount nothing and make no control group, and its kernel has no Landlock."""
    if reason := why_not("no-landlock"):
        pytest.skip(reason)
    root = lay_out(package, tmp_path, edited(REFERENCE, edits))
    command = within("no-landlock", [str(root / "run_autograder"), str(root)], shared=root)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((root / "results" / "results.json").read_text())
    assert (results["score"], results["extra_data"]["isolation"]) == (points, "user")
    assert results["extra_data"]["memory_accounting"] == "processes"
    assert all((root / name).stat().st_mode & 0o077 == 0 for name in ("submission", "submission_metadata.json"))


def test_students_see_a_total(graded):
    assert {test["visibility"] for test in graded["tests"]} == {"visible", "after_published"}
    assert graded["stdout_visibility"] == "hidden"


def test_the_leaderboard_shows_the_accuracy(graded):
    assert graded["leaderboard"] == [{"name": "Accuracy", "value": graded["extra_data"]["accuracy"]}]


def test_a_skeleton_gets_no_points_and_a_valid_result(package, tmp_path):
    root = lay_out(package, tmp_path, strip(REFERENCE))
    _, results = run(root)
    graded = json.loads(results.read_text())
    validate_format(graded)
    assert graded["score"] == 0


def test_a_package_that_could_not_grade_leaves_no_result(package, tmp_path):
    root = lay_out(package, tmp_path, REFERENCE)
    (root / "source" / "cifar10_batches" / "test_batch").write_bytes(b"damaged")
    done, results = run(root)
    assert done.returncode == 2
    assert "test_batch" in done.stderr
    assert not results.exists()  # the old result is removed, too


def test_an_endless_loop_ends_at_our_own_deadline(data, tmp_path):
    endless = REFERENCE.replace("    torch.manual_seed(0)  # the same", "    while True:\n        pass\n    # the same")
    assert endless != REFERENCE
    package = build_autograder(ROOT, tmp_path / "autograder.zip", data=data)
    (tmp_path / "root").mkdir()
    root = lay_out(package, tmp_path / "root", endless)
    script = root / "run_autograder"
    script.write_text(script.read_text().replace("--timeout 540", "--timeout 12"))
    _, results = run(root)
    graded = json.loads(results.read_text())
    assert graded["score"] == 40
    failed = [t for t in graded["tests"] if t["status"] == "failed"]
    assert {t["extra_data"]["diagnosis"] for t in failed} == {"ended-time"}
    assert all("no answer before the time for the whole submission was over" in t["output"] for t in failed)
    assert not [p.pid for p in psutil.process_iter() if str(root) in " ".join(_command(p))]


def _command(process):
    try:
        return [*process.cmdline(), process.cwd()]
    except psutil.Error:
        return []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "--timeout 540 --require-isolation user --hidden-visibility after_published"),
        ({"minutes": 40, "hidden": "hidden"}, "--timeout 2340 --require-isolation user --hidden-visibility hidden"),
        ({"isolation": "auto"}, "--timeout 540 --require-isolation process --hidden-visibility after_published"),
    ],
)
def test_choices_end_up_in_run_autograder(data, tmp_path, options, expected):
    package = build_autograder(ROOT, tmp_path / "autograder.zip", data=data, **options)
    with zipfile.ZipFile(package) as file:
        assert expected in file.read("run_autograder").decode()


def test_what_is_and_is_not_in_it(package):
    with zipfile.ZipFile(package) as file:
        names = set(file.namelist())
        requirements = file.read("requirements.txt").decode()
        scripts = [file.getinfo(name).external_attr >> 16 & 0o111 for name in ("setup.sh", "run_autograder")]
    assert {"setup.sh", "run_autograder", "tests/test_hidden.py", "cifar10_batches_holdout/holdout_batch"} <= names
    assert not {"submitted.py", "mp09_notebook.ipynb", "cifar10_batches_holdout/secret_seed"} & names
    assert "torch==" in requirements
    assert "jupyter" not in requirements
    assert scripts == [0o111, 0o111]


@pytest.mark.parametrize("minutes", [0, 1, 41])
def test_gradescopes_limits(data, tmp_path, minutes):
    with pytest.raises(ReleaseError, match="--minutes"):
        build_autograder(ROOT, tmp_path / "autograder.zip", data=data, minutes=minutes)
