"""Small data folders and grading, shared by the self-tests."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from mp09.data.prepare import make_batches
from mp09.data.sources import from_images, from_synthetic
from mp09.grading.grade import grade
from mp09.grading.machine import usable_cores, usable_memory
from mp09.grading.sandbox import Sandbox, Settings

ROOT = Path(__file__).resolve().parents[1]
PER_FILE = 400
LONG = {"classroom", "recipes", "release", "streaming", "submissions"}  # folders whose tests take half of the time
WORKER_BYTES = 3 << 30  # of a worker of pytest-xdist, with the processes that its tests start
THREADS = max(1, usable_cores() // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_configure() -> None:
    """The same threads and signals for all tests, and for the processes that they start."""
    torch.set_num_threads(THREADS)
    ray = {"RAY_worker_niceness": "0"}  # 15 by default: beside other tests its workers would hardly ever run
    os.environ.update({"OMP_NUM_THREADS": str(THREADS), **ray})
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit it as ignored


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Of `-n auto`: one more than cores, since tests wait for other processes a good part of their time."""
    return max(1, min(usable_cores() + 1, usable_memory() // WORKER_BYTES))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, that none is left alone at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """In every run of a test, on every machine."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder that one worker of pytest-xdist makes, and all use."""
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        """make: called with the folder, which does not exist then; it leaves a whole folder or none."""
        made = common / name
        made.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(made.parent / "lock"):
            if not made.exists():
                make(made)
        return made

    return folder


@pytest.fixture
def untraced(monkeypatch) -> None:
    """`make coverage` does not follow the processes that are started, such as Ray's many."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(scope="session")
def small_data(made_once) -> Path:
    """400 synthetic images a file."""
    make = partial(make_batches, origin=from_synthetic(0), per_file=PER_FILE)
    return made_once("synthetic/cifar10_batches", make)


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The archive of real CIFAR-10 pictures; skips where there is none."""
    folder = os.environ.get("MP09_REAL_DATA")
    if not folder:
        pytest.skip("MP09_REAL_DATA does not name a folder with real pictures")
    return Path(folder) / "cifar10-images.tar.xz"


@pytest.fixture(scope="session")
def real_data(real_images, made_once) -> Path:
    """All 48,000 real pictures."""
    return made_once("real/cifar10_batches", partial(make_batches, origin=from_images(real_images)))


@pytest.fixture(scope="session")
def sandbox():
    """One warm process for all gradings of the self-tests."""
    with Sandbox(Settings(device="cpu", threads=THREADS), guarded=[ROOT / "tests"]) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def run_grader(small_data, sandbox):
    """Grades a submission with the whole rubric on the small data."""

    def run(source: Path, **options):
        options = {"kit": ROOT, "tests": ROOT / "tests", "data": small_data, "sandbox": sandbox} | options
        return grade(source, **options)

    return run
