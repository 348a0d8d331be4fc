"""Run a small sample of the slow proofs in `benchmarks`: fuzzing, and killing the grader itself."""

import pytest

from benchmarks.fuzz import fuzz_decoder, fuzz_loader
from benchmarks.kill_grader import kill_after
from selftests.conftest import ROOT


def test_the_decoder_refuses_what_is_malformed():
    outcomes = fuzz_decoder(3000)
    assert outcomes["refused"] > 500
    assert outcomes["decoded"] > 100


def test_the_loader_explains_what_it_cannot_import():
    outcomes = fuzz_loader(30)
    assert sum(outcomes.values()) == 30
    assert outcomes["SyntaxError"] > 0


@pytest.mark.parametrize("seconds", [0.5, 4.0, 9.0])
def test_a_killed_grader_leaves_nothing_half_done(seconds, small_data, tmp_path):
    assert kill_after(seconds, small_data, tmp_path / "results.json", ROOT) == ""
