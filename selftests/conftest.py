"""Small data folders and grading, shared by the self-tests."""

import os
import signal
from pathlib import Path

import pytest
import torch

from mp09.data.prepare import make_batches
from mp09.data.sources import from_images, from_synthetic
from mp09.grading.grade import grade
from mp09.grading.machine import usable_cores
from mp09.grading.sandbox import Sandbox, Settings

ROOT = Path(__file__).resolve().parents[1]
PER_FILE = 400


def pytest_configure() -> None:
    """The same signals for all tests, and for the processes that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit it as ignored


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """In every run of a test, on every machine."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def small_data(tmp_path_factory) -> Path:
    """400 synthetic pictures a file."""
    folder = tmp_path_factory.mktemp("synthetic") / "cifar10_batches"
    make_batches(folder, from_synthetic(0), per_file=PER_FILE)
    return folder


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The archive of real CIFAR-10 pictures; skips where there is none."""
    folder = os.environ.get("MP09_REAL_DATA")
    if not folder:
        pytest.skip("MP09_REAL_DATA does not name a folder with real pictures")
    return Path(folder) / "cifar10-images.tar.xz"


@pytest.fixture(scope="session")
def real_data(real_images, tmp_path_factory) -> Path:
    """All 48,000 real pictures."""
    folder = tmp_path_factory.mktemp("real") / "cifar10_batches"
    make_batches(folder, from_images(real_images))
    return folder


@pytest.fixture(scope="session")
def sandbox():
    """One warm process for all gradings of the self-tests."""
    with Sandbox(Settings(device="cpu", threads=usable_cores()), guarded=[ROOT / "tests"]) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def run_grader(small_data, sandbox):
    """Grades a submission with the whole rubric on the small data."""

    def run(source: Path, **options):
        options = {"kit": ROOT, "tests": ROOT / "tests", "data": small_data, "sandbox": sandbox} | options
        return grade(source, **options)

    return run
