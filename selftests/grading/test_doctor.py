import shutil

import pytest

from mp09.cli import main
from mp09.grading.doctor import examine
from selftests.conftest import ROOT


def by_subject(findings) -> dict[str, bool]:
    return {finding.subject: finding.ok for finding in findings}


def test_all_is_well_here(small_data):
    findings = examine(ROOT, small_data)
    assert all(finding.ok for finding in findings), findings
    assert {f.subject for f in findings} >= {"Python", "packages", "data", "threads", "GPU", "sandbox", "checkpoint"}


@pytest.mark.parametrize("content", [None, b"broken"])
def test_a_bad_checkpoint_is_found(tmp_path, small_data, content):
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    if content:
        (tmp_path / "resnet18.pt").write_bytes(content)
    findings = examine(tmp_path, small_data)
    assert by_subject(findings)["checkpoint"] is False
    assert findings[-1].remedy.startswith("Take resnet18.pt from the handout")


def test_missing_packages_are_named(tmp_path, small_data):
    (tmp_path / "requirements.txt").write_text("numpy>=2\nno-such-package==1.0  # reason\n")
    finding = next(f for f in examine(tmp_path, small_data) if f.subject == "packages")
    assert (finding.ok, finding.text) == (False, "missing: no-such-package")


def test_the_command_fails_with_remedies(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 1
    assert "python -m mp09 data" in capsys.readouterr().out
