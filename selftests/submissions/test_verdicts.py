"""Tests that each of a sample of submissions gets its points; `make proof` runs all with `python -m mp09 validate`."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from mp09.data.prepare import make_batches
from mp09.data.origins import from_synthetic
from mp09.errors import ReleaseError
from mp09.grading.assignment import Assignment
from mp09.grading.diagnose.model import NOT_A_FUNCTION
from mp09.grading.report import GradeReport, TestResult
from mp09.release.cases import ATTACKS, CONTROLS, MUTANTS, Case, edited, load_cases
from mp09.release.validate import Validation, table
from mp09.release.verdicts import Verdict, _margin, clear_of_steps, run_case
from selftests.conftest import PER_FILE, ROOT

CASES = load_cases(ROOT / "selftests" / "submissions", ROOT / "submitted.py")
ROW = Verdict(CONTROLS, "one", True, 100, 100)
SAMPLE = {
    *("skeleton", "scrambled-reshape", "backbone-not-loaded", "flow/double_fork", "flow/kill_parent"),
    *("forging/writes_results", "forging/answers_with_the_right_id", "framework/hard_coded_length"),
    *("leaks/reads_the_holdout", "leaks/connects_out", "objects/pickle_payload", "resources/memory_at_once", "shape/fifo"),
    *("same_user/limits_file_sizes", "descriptors/fills_its_requests", "words/nested_answer_to_nothing"),
    *("shared/left_by_exit", "accounting/disk_in_flight"),
}


@pytest.fixture(scope="session")
def held_out_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("held_out") / "cifar10_batches"
    make_batches(folder, from_synthetic(0), per_file=PER_FILE, holdout=PER_FILE, secret=0)
    return folder


@pytest.mark.parametrize("case", [case for case in CASES if case.name in SAMPLE], ids=lambda case: case.name)
def test_verdict(case, sandbox, held_out_data):
    if case.kind == ATTACKS and sandbox.level != "sandboxed":
        pytest.skip(f"no isolation by the kernel here: {sandbox.remarks}")
    assert run_case(case, sandbox, Assignment(ROOT, ROOT / "tests", held_out_data)).problem == ""


def test_the_corpus_is_large_enough():
    assert len([case for case in CASES if case.kind == ATTACKS]) >= 200
    assert len([case for case in CASES if case.kind == MUTANTS and case.counts]) >= 40
    assert len([case for case in CASES if case.kind == CONTROLS]) >= 16
    assert {case.name for case in CASES} >= SAMPLE


def test_what_differs_is_said(sandbox, held_out_data):
    generous = next(case for case in CASES if case.name == "skeleton")
    case = Case(generous.kind, "generous", generous.build, points=5, diagnosis="image-bgr", advice="well done")
    problem = run_case(case, sandbox, Assignment(ROOT, ROOT / "tests", held_out_data)).problem
    assert problem == "0 points, expected 5; diagnosis image-bgr not named; advice not given: well done"


def test_an_edit_that_no_longer_applies_is_an_error():
    with pytest.raises(ReleaseError, match="0 places for 'old', expected 1"):
        edited("nothing like the reference", [("old", "new")])


def test_an_attack_without_points_is_an_error(tmp_path):
    (tmp_path / "mutants.py").write_text("MUTANTS = ()")
    (tmp_path / "attacks" / "flow").mkdir(parents=True)
    (tmp_path / "attacks" / "flow" / "x.py").write_text("# Does something.\n")
    with pytest.raises(ReleaseError, match="flow/x: says nothing about its points"):
        load_cases(tmp_path, ROOT / "submitted.py")


def test_an_accuracy_near_a_step_is_not_as_it_must_be():
    near, clear = clear_of_steps(replace(ROW, margin=0.0199)), replace(ROW, margin=0.02)
    assert (near.ok, near.problem) == (False, "the accuracy is 0.0199 from a step, expected 0.02 or more")
    assert [clear_of_steps(row) for row in (clear, ROW)] == [clear, ROW]
    shown = Console(width=200, record=True, file=StringIO())
    shown.print(table(Validation((near, clear, ROW), "sandboxed", 1.0)))
    assert re.findall(r"100 +│ 100 +│ +([\d.]*) +│", shown.export_text()) == ["0.020", "0.020", ""]


@pytest.mark.parametrize(
    ("accuracy", "output", "margin"),
    [
        (None, "", None),
        (0.925, "", 0.025),
        (0.89, "", 0.01),
        (0.52, "", 0.02),
        (0.89, f"Expected: ...\n{NOT_A_FUNCTION}", 0.04),  # it loses the last step's points anyway
        (0.0, "Nothing was trained.", 0.5),
    ],
)
def test_the_margin_is_the_way_to_the_nearest_step_that_decides(accuracy, output, margin):
    test = TestResult("3.4", "accuracy", 0, 40, "failed", output=output)
    report = GradeReport((test,), 0, 100, "graded", "process", "synthetic", 240, accuracy, 1.0, 42)
    assert _margin(report) == margin


def test_the_tables_as_json():
    rows = (Verdict(CONTROLS, "a", True, 100, 100), Verdict(ATTACKS, "b", False, 100, 0))
    result = Validation(rows, "sandboxed", 1.0).as_json()
    assert [(result[kind]["total"], result[kind]["ok"]) for kind in (CONTROLS, MUTANTS, ATTACKS)] == [(1, 1), (0, 0), (1, 0)]
