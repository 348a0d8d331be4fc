"""A sample of attacks where the grader is an ordinary user, and where the kernel has no Landlock."""

import json
import subprocess
import sys

import pytest

from selftests.conftest import ROOT
from selftests.settings import why_not, within

SAMPLE = (
    *("flow/double_fork", "framework/writes_into_site_packages", "leaks/reads_the_rubric_through_modules"),
    *("same_user/limits_file_sizes", "same_user/changes_modes_through_descriptors", "shared/left_by_exit"),
    *("descriptors/fills_its_requests", "accounting/child_without_first_thread", "words/nested_answer_to_nothing"),
)


@pytest.mark.proof
@pytest.mark.parametrize("setting", ["user", "no-landlock"])
def test_a_sample_of_attacks(setting, tmp_path):
    if reason := why_not(setting):
        pytest.skip(reason)
    tmp_path.chmod(0o777)  # an ordinary user writes there
    tables = tmp_path / "tables.json"
    validate = [sys.executable, "-m", "mp09", "validate", "--json", str(tables), "--jobs", "2"]
    command = within(setting, [*validate, "--only", "attacks", "--name", *SAMPLE], shared=tmp_path)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    attacks = json.loads(tables.read_text())["attacks"]
    assert (attacks["total"], attacks["ok"]) == (len(SAMPLE), len(SAMPLE))
