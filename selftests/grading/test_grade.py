"""Test grading from end to end: which file is graded, faults of the grader, and the results file."""

import json
import re
import subprocess
import sys

import pytest

import grade as command
from mp09.errors import DataError, GradingError
from mp09.grading import gradescope, text
from mp09.grading.report import GradeReport, TestResult
from mp09.grading.sandbox import processes
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from mp09.grading.suites import load_suites
from mp09.release.cases import BRIEF, edited
from selftests.conftest import ROOT

REFERENCE = (ROOT / "submitted.py").read_text()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_forced_precision_reaches_the_submission_and_is_said(run_grader, tmp_path, precision):
    check = f"\nassert fast_dtype(torch.device('cpu')) == fast_dtype(torch.device('mps')) == torch.{precision}\n"
    (tmp_path / "submitted.py").write_text(REFERENCE + check)
    settings = Settings(device="cpu", isolation="process", precision=precision)
    with Sandbox(settings) as sandbox:
        report = run_grader(tmp_path, only="dataset", sandbox=sandbox)
    assert report.tests[0].output == ""
    assert (report.score, report.device) == (25, f"cpu, {precision} forced")


# Which file is graded


def test_no_file_is_explained(run_grader, tmp_path):
    report = run_grader(tmp_path, only="dataset")
    assert {test.diagnosis for test in report.tests} == {"no-file"}
    assert {test.diagnosis for test in run_grader(tmp_path / "nowhere", only="dataset").tests} == {"no-file"}


def test_a_file_in_the_only_folder_is_found(run_grader, tmp_path):
    (tmp_path / "mp09").mkdir()
    (tmp_path / "mp09" / "submitted.py").write_text(REFERENCE)
    assert run_grader(tmp_path, only="dataloader").score == 15


def test_two_nested_files_are_ambiguous(run_grader, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "submitted.py").write_text(REFERENCE)
    assert {test.diagnosis for test in run_grader(tmp_path, only="dataloader").tests} == {"no-file"}


# Faults of the grader


def suite(folder, body: str):
    folder.mkdir()
    (folder / "test_own.py").write_text(
        "import unittest\nfrom gradescope_utils.autograder_utils.decorators import number, weight\n"
        "from mp09.grading.testcase import SubmissionTest\n" + body
    )
    return folder


OWN = """
class Own(SubmissionTest):
    @number("1") ; @weight(5)
    def test_passes(self): pass
""".replace(" ; ", "\n    ")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("self.skipTest('no GPU')", "could not run"),
        ("self.submission.no_such_question()", "could not run"),
        ("with self.subTest(i=1): self.fail('x')", "failed"),
        ("self.assertEqual(1, 2)", "failed"),
        ("self.score = float('nan')", "failed"),
        ("self.score = 2", "failed"),
    ],
)
def test_no_outcome_of_a_test_is_lost(submit, tmp_path, body, status):
    own = OWN + f"    @number('2')\n    @weight(3)\n    def test_other(self):\n        {body}\n"
    tests = submit(REFERENCE, tests=suite(tmp_path / "tests", own), only=None)
    assert (tests["1"].status, tests["2"].status) == ("passed", status)
    assert tests["2"].score == (2 if "score = 2" in body else 0)


def test_expected_failures_are_counted(submit, tmp_path):
    own = OWN + (
        "    @number('2')\n    @weight(3)\n    @unittest.expectedFailure\n    def test_b(self): self.fail()\n"
        "    @number('3')\n    @weight(3)\n    @unittest.expectedFailure\n    def test_c(self): pass\n"
    )
    tests = submit(REFERENCE, tests=suite(tmp_path / "tests", own), only=None)
    assert (tests["2"].score, tests["3"].score) == (3, 0)


BROKEN = """
class Broken(SubmissionTest):
    @classmethod
    def setUpClass(cls):
        1 / 0

    @number("2")
    @weight(7)
    def test_b(self): pass
"""


def test_a_class_that_cannot_be_set_up_keeps_its_points_in_the_total(run_grader, tmp_path):
    report = run_grader(ROOT / "submitted.py", tests=suite(tmp_path / "tests", OWN + BROKEN))
    assert (report.score, report.max_score, report.status) == (5, 12, "infrastructure fault")


def test_a_suite_that_cannot_be_loaded_stops_the_run(run_grader, tmp_path):
    with pytest.raises(GradingError, match=r"test_own.py: can't be loaded: NameError"):
        run_grader(ROOT / "submitted.py", tests=suite(tmp_path / "tests", "oops"))


def test_a_folder_without_suites_stops_the_run(run_grader, tmp_path):
    with pytest.raises(GradingError, match=r"no test_\*.py files"):
        run_grader(ROOT / "submitted.py", tests=tmp_path)


def test_points_must_add_up(tmp_path):
    folder = suite(tmp_path / "tests", OWN)
    (folder / "test_own.py").rename(folder / "test_hidden.py")
    with pytest.raises(GradingError, match="add up to 5; expected 100"):
        load_suites(folder)


def test_missing_data_stop_the_run(run_grader, tmp_path):
    with pytest.raises(DataError, match="expected a batch file here"):
        run_grader(ROOT / "submitted.py", data=tmp_path)


@pytest.mark.parametrize(("name", "message"), [("resnet18.pt", "could not be read"), ("models.py", "is missing")])
def test_a_broken_kit_writes_no_results(run_grader, tmp_path, name, message):
    for file in ("models.py", "resnet18.pt"):
        (tmp_path / file).write_bytes((ROOT / file).read_bytes())
    (tmp_path / name).write_bytes(b"broken") if name.endswith("pt") else (tmp_path / name).unlink()
    out = tmp_path / "results.json"
    out.write_text("stale")
    with pytest.raises(GradingError, match=message):
        run_grader(ROOT / "submitted.py", kit=tmp_path, only="model", out=out)
    assert not out.exists()


def test_a_worker_that_cannot_start_is_our_fault(monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "BOOT", "raise SystemExit('no torch here')")
    with pytest.raises(GradingError, match=r"does not answer(.|\n)*no torch here"):
        Sandbox(Settings())


# Results


def test_results_are_written_after_every_test(run_grader, tmp_path):
    out, seen = tmp_path / "results.json", []

    class Watcher:
        def finished(self, result):
            seen.append(len(json.loads(out.read_text())["tests"]))

        def waiting(self, operation, seconds): ...

    run_grader(ROOT / "submitted.py", only="dataset", out=out, watcher=Watcher())
    assert seen == [1, 2, 3, 4]


def test_the_results_file_holds_what_gradescope_and_instructors_need(run_grader, tmp_path):
    out = tmp_path / "results.json"
    (tmp_path / "submitted.py").write_text(edited(REFERENCE, BRIEF))
    report = run_grader(tmp_path / "submitted.py", out=out)
    results = json.loads(out.read_text())
    assert (results["score"], results["extra_data"]["data_source"]) == (100, "synthetic")
    assert results["extra_data"].keys() >= {"accuracy", "isolation", "versions", "seconds", "seed"}
    assert {test["visibility"] for test in results["tests"]} == {"visible", "after_published"}
    assert sum(test["max_score"] for test in results["tests"]) == 100
    assert "synthetic" in "\n".join(text.summary(report))


def test_two_runs_give_the_same_results(run_grader, tmp_path):
    quick = REFERENCE.replace("num_samples=6400", "num_samples=640").replace("torch.manual_seed(0)", "pass")
    (tmp_path / "submitted.py").write_text(quick)
    first, second = (gradescope.render(run_grader(tmp_path, only="accuracy")) for _ in range(2))
    for results in (first, second):
        results.pop("execution_time")
        results["extra_data"].pop("seconds")
    assert first == second


def test_the_suites_say_their_points(run_grader):
    for name in ("test_visible.py", "test_hidden.py"):
        docstring = (ROOT / "tests" / name).read_text().split('"""')[1]
        announced = int(re.search(r"rubric: (\d+) points", docstring)[1])
        points = [int(n) for n in re.findall(r"(?:length|batches|images|labels|backbone|accuracy) (\d+)", docstring)]
        tests = [t for t in load_suites(ROOT / "tests") if type(t).__module__ == f"rubric_{name[:-3]}"]
        weights = [getattr(t, t._testMethodName).__weight__ for t in tests]
        assert sum(points) == announced == sum(weights)
        assert points == [weight for weight in weights if weight]


REPORT = GradeReport(
    tests=(
        TestResult("1.1", "A name", 15, 15, "passed"),
        TestResult("2.1", "Practice", 0, 0, "failed", diagnosis="labels", output="Expected: a\nGot: b", advice=("do",)),
        TestResult("3.1", "Ours", 0, 20, "could not run", output="no"),
    ),
    score=15, max_score=30, status="infrastructure fault", sandbox="process", source="synthetic", scored=400,
    accuracy=None, seconds=1.0, seed=42,
)  # fmt: skip


def test_the_terminal_shows_points_diagnosis_and_advice():
    lines = [text.line(test, 80).plain for test in REPORT.tests]
    assert [line[:3] for line in lines] == [" ✓ ", " ✗ ", " ? "]
    assert [line.split()[-1] for line in lines] == ["15", "practice", "20"]
    assert [d.split()[0] for d in text.details(REPORT.tests[1])] == ["Expected:", "Advice:", "More:"]


def test_the_summary_shouts_when_a_test_could_not_run():
    assert "THE GRADER COULD NOT RUN EVERY TEST" in text.summary(REPORT)[0]
    assert "70 more points" in text.summary(REPORT)[-1]
    rendered = gradescope.render(REPORT)
    assert rendered["extra_data"]["infrastructure_fault"] is True
    assert rendered["tests"][2]["extra_data"]["ungraded"] is True


# The command


def test_json_alone_goes_to_the_standard_output(small_data):
    arguments = [
        "grade.py",
        "-j",
        "--only",
        "dataset",
        "--epochs",
        "1",
        "--batch",
        "4",
        "--seed",
        "42",
        "--data",
        small_data,
    ]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["score"]) == (0, 25)
    assert "✓ 1.1" in done.stderr


def test_the_command_explains_missing_data_in_one_line(tmp_path, capsys):
    assert command.main(["--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_fault_of_ours_is_an_exit_code(monkeypatch, capsys, small_data):
    monkeypatch.setattr("mp09.grading.grade.grade", lambda *_, **__: REPORT)
    assert command.main(["--data", str(small_data)]) == 1


@pytest.mark.real
def test_the_reference_on_all_real_images(run_grader, real_data):
    report = run_grader(ROOT / "submitted.py", data=real_data)
    print(f"\nreference: {report.score:g} points, accuracy {report.accuracy} on {report.source}, {report.seconds} s")
    assert (report.score, report.source) == (100, "CIFAR-10 (JPEG)")
    assert report.accuracy >= 0.92
