"""Test that results which can't be written end with one line and an exit code, and leave no part of them behind."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import grade as command
from mp09.cli import main
from mp09.errors import GradingError
from mp09.grading.sandbox.host import Worker
from selftests.conftest import ROOT


class Vanishes:
    """Is a watcher that removes the folder of the results when a test is done, and may make an empty one again."""

    def __init__(self, out, *, comes_back: bool):
        self._folder, self._comes_back, self.partly = out.parent, comes_back, []

    def finished(self, result):
        self.partly.append((self._folder / "results.json").exists())
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._comes_back:
            self._folder.mkdir()

    def waiting(self, operation, seconds): ...


@pytest.fixture
def out(tmp_path):
    (tmp_path / "results").mkdir()
    return tmp_path / "results" / "results.json"


def test_a_folder_that_vanishes_ends_with_the_points_in_one_line(run_grader, out):
    watcher = Vanishes(out, comes_back=False)
    with pytest.raises(GradingError, match=r"results.json: 25 points could not be written: No such file") as error:
        run_grader(ROOT / "submitted.py", only="dataset", out=out, watcher=watcher)
    assert "\n" not in str(error.value)
    assert watcher.partly == [True, False, False, False]


def test_a_folder_that_comes_back_costs_nothing(run_grader, out):
    watcher = Vanishes(out, comes_back=True)
    assert run_grader(ROOT / "submitted.py", only="dataset", out=out, watcher=watcher).score == 25
    assert out.exists()


@pytest.mark.parametrize("error", [OSError(28, "full"), BrokenPipeError(), SystemExit(1)])
def test_a_watcher_that_cannot_print_costs_nothing(run_grader, out, error):
    class Mute:
        def finished(self, result):
            raise error

        def waiting(self, operation, seconds):
            raise error

    assert run_grader(ROOT / "submitted.py", only="dataset", out=out, watcher=Mute()).status == "graded"
    assert len(json.loads(out.read_text())["tests"]) == 4


@pytest.mark.parametrize("make", [lambda out: out.parent.rmdir(), lambda out: out.mkdir()])
def test_where_nothing_can_be_written_nothing_is_graded(small_data, out, capsys, make):
    make(out)
    assert command.main(["--data", str(small_data), "-o", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {out}: results could not be written there: ")
    assert error.count("\n") == 1


LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); sys.argv = sys.argv[1:]; "


@pytest.mark.skipif(sys.platform == "win32", reason="limits")
def test_a_submission_that_cannot_be_ended_has_no_result(run_grader, out, monkeypatch):
    ends = Worker.close

    def seems_to_stay(worker):
        ends(worker)
        raise GradingError("1 processes of a submission could not be ended.")

    monkeypatch.setattr(Worker, "close", seems_to_stay)
    with pytest.raises(GradingError, match="could not be ended"):
        run_grader(ROOT / "submitted.py", only="dataset", out=out)
    assert not out.exists()


@pytest.mark.usefixtures("untraced")
def test_a_full_disk_is_one_line(small_data, out):
    code = f"{LIMITED} import grade; sys.exit(grade.main())"
    arguments = [sys.executable, "-c", code, "grade.py", "--data", small_data, "-o", out]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"error: {out}: results could not be written there: File too large.\n")
    assert not list(out.parent.iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["grade.py", "--only", "dataset"], ["-m", "mp09", "data", "--verify", "--out"]])
def test_a_standard_output_that_is_full_is_one_line(small_data, arguments):
    arguments = [*arguments, *(["--data"] if "grade.py" in arguments else []), small_data]
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "error: [Errno 28] No space left on device\n")


def test_validate_sees_before_it_grades_that_it_can_write(tmp_path, capsys):
    assert main(["validate", "--out", str(tmp_path / "nowhere" / "x.json")]) == 2
    assert "could not be written: No such file" in capsys.readouterr().err
