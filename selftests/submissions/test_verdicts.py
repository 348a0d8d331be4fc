"""Each submission gets exactly the points it must get, and the diagnosis that helps."""

from pathlib import Path

import pytest

from mp09.release.strip import strip
from selftests.conftest import ROOT
from selftests.submissions.mutants import MUTANTS

CORRECT = sorted((Path(__file__).parent / "correct").glob("*.py"))
REFERENCE = ROOT / "submitted.py"
# The ten numbers of the checkpoint's own fc say less about drawn pictures than its 512 features: 0.88.
BELOW_FULL_MARKS = {"kept_fc_stacked": (90, ["accuracy-low", "accuracy-low"])}


@pytest.mark.slow
@pytest.mark.parametrize("path", [REFERENCE, *CORRECT], ids=lambda path: path.stem)
def test_correct_solutions_get_all_points(path, run_grader):
    report = run_grader(path)
    verdict = (report.score, [test.diagnosis for test in report.tests if test.diagnosis])
    assert verdict == BELOW_FULL_MARKS.get(path.stem, (100, []))


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistakes_cost_their_own_points(mutant, run_grader, tmp_path):
    (tmp_path / "submitted.py").write_text(mutant.apply(REFERENCE.read_text()))
    report = run_grader(tmp_path)
    assert report.score == mutant.score
    assert mutant.diagnosis in {test.diagnosis for test in report.tests}


def test_skeleton_gets_nothing_and_is_told_what_to_write(run_grader, tmp_path):
    (tmp_path / "submitted.py").write_text(strip(REFERENCE.read_text()))
    report = run_grader(tmp_path)
    assert report.score == 0
    assert {test.diagnosis for test in report.tests} == {"not-written"}


def test_an_edit_that_no_longer_applies_is_an_error():
    with pytest.raises(ValueError, match="labels-shifted: 0 places"):
        next(m for m in MUTANTS if m.name == "labels-shifted").apply("nothing like the reference")
