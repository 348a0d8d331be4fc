"""Test that a device is there or refused, that seeds repeat, and that denormal numbers are zero."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from mp09.device import choose_device, seed_everything
from mp09.errors import DeviceError
from selftests.conftest import ROOT


def test_the_processor_is_always_there():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device().type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize("name", ["cuda:99", "xpu", "mps:7"])
def test_a_device_that_is_not_there_is_refused(name):
    with pytest.raises(DeviceError, match=f"{name}: PyTorch finds no such device"):
        choose_device(name)


def test_a_name_that_is_no_device_is_refused():
    with pytest.raises(DeviceError, match="expected auto, cpu, cuda"):
        choose_device("gpu")


def test_the_seed_sets_all_states():
    def draw():
        seed_everything(3)
        return random.random(), np.random.rand(), torch.rand(1).item()  # noqa: NPY002

    assert draw() == draw()


def test_denormal_numbers_are_zero_in_every_thread():
    code = "import mp09.device, torch; print((torch.full((4_000_000,), 1e-30) * 1e-10).count_nonzero().item())"
    several = {"cwd": ROOT, "env": {**os.environ, "OMP_NUM_THREADS": "4"}}
    done = subprocess.run([sys.executable, "-c", code], **several, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
