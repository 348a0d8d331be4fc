"""Tests that surroundings do not change a grading: long names of temporary folders, and others in shared folders."""

import os
import tempfile
import threading
from pathlib import Path

import pytest

from mp09.files import scratch_folder
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from mp09.release.cases import load_cases
from mp09.release.verdicts import SAMPLE_POINTS
from selftests.conftest import ROOT

CASES = {case.name: case for case in load_cases(ROOT / "selftests" / "submissions", ROOT / "submitted.py")}
SHARED = Path("/dev/shm")
LONG = "x" * 120  # the path of a local socket can have at most 107 characters


def build(name, folder):
    folder.mkdir()
    CASES[name].build(folder)
    return folder


def test_loader_workers_start_where_temporary_files_have_long_names(run_grader, tmp_path, monkeypatch):
    """This correct submission gets its batches through local sockets in the temporary folder."""
    source = build("loads_with_workers", tmp_path / "submission")
    with scratch_folder() as folder:  # workers can pass through this one, but not through pytest's
        (folder / LONG).mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder / LONG))
        assert run_grader(source, only="accuracy", timeout_s=300).score == 40


@pytest.mark.skipif(not SHARED.is_dir(), reason="no /dev/shm here")
def test_files_that_come_and_go_in_shared_memory(run_grader, sandbox):
    remarks, stop = list(sandbox.remarks), threading.Event()

    def churn() -> None:
        while not stop.is_set():
            paths = [SHARED / f"mp09-churn-{os.getpid()}-{i}" for i in range(50)]
            for path in paths:
                path.touch()
            for path in paths:
                path.unlink()

    beside = threading.Thread(target=churn)
    beside.start()
    try:
        scores = [run_grader(ROOT / "submitted.py", only="dataset").score for _ in range(3)]
        with Sandbox(Settings(device="cpu"), guarded=[ROOT / "tests"]) as fresh:
            assert (fresh.level, fresh.remarks) == (sandbox.level, remarks)
    finally:
        stop.set()
        beside.join()
    assert scores == [SAMPLE_POINTS] * 3


@pytest.mark.parametrize("name", ["descriptors/in_flight", "shared/comes_and_goes"])
def test_an_attack_beside_changes_nothing(run_grader, sandbox, tmp_path, name):
    """Two sandboxes run for one user, as when several jobs grade a class."""
    if sandbox.level == "process":
        pytest.skip(f"no isolation by the kernel here: {sandbox.remarks}")
    source, scores = build(name, tmp_path / "submission"), []
    with Sandbox(Settings(device="cpu"), guarded=[ROOT / "tests"]) as other:
        beside = threading.Thread(target=lambda: scores.append(run_grader(source, sandbox=other).score))
        beside.start()
        own = []
        while beside.is_alive():
            own.append(run_grader(ROOT / "submitted.py", only="dataset").score)
        beside.join()
    assert scores == [40]
    assert set(own) == {SAMPLE_POINTS}
