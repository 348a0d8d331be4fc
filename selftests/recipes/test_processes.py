"""Tests that several processes of torchrun share the work of one command."""

import os
import subprocess
import sys

from selftests.conftest import ROOT

SHARING = """
from pathlib import Path
from mp09 import ModelOptions, open_data, train
import os, sys
told = Path(os.environ["RANK"])
told.touch()
def progress(what, done, total): told.open("a").write(what + "\\n")
train(open_data(sys.argv[1], per_class=20), ModelOptions("resnet18-32"), out=Path("run"), progress=progress)
"""


def test_processes_share_features(small_data, tmp_path):
    """The second process computes none, neither to learn from nor to judge by."""
    (tmp_path / "share.py").write_text(SHARING)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "share.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, small_data], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = (set((tmp_path / rank).read_text().split()) for rank in "01")
    assert {"train", "valid", "test"} <= first
    assert not {"train", "valid", "test"} & second


def test_processes_of_a_command_print_once(small_data, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "mp09"]
    options = [
        "--data",
        small_data,
        "--per-class",
        "20",
        "--epochs",
        "1",
        "--device",
        "cpu",
        "--out",
        tmp_path / "run",
        "--cache",
        tmp_path / "cache",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "train", *map(str, options)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("on the test images") == 1
