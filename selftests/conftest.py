"""Provide the data folders, the sandbox and the grading that the self-tests share."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from mp09.data.origins import from_images, from_synthetic
from mp09.data.prepare import make_batches
from mp09.grading.assignment import Assignment, GradeOptions
from mp09.grading.grade import grade
from mp09.grading.sandbox.machine import usable_cores, usable_memory
from mp09.grading.sandbox.sandbox import Sandbox, Settings

ROOT = Path(__file__).resolve().parents[1]
PER_FILE = 400
LONG = {"classroom", "recipes", "release", "streaming", "submissions"}  # tests in these folders take half of the time
WORKER_BYTES = 3 << 30  # memory of a worker of pytest-xdist, with the processes that its tests start
THREADS = max(1, usable_cores() // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def pytest_configure() -> None:
    """Set the same threads and signals for all tests, and for the processes that they start."""
    torch.set_num_threads(THREADS)
    ray = {"RAY_worker_niceness": "0"}  # it is 15 by default, and its workers would hardly ever run beside other tests
    os.environ.update({"OMP_NUM_THREADS": str(THREADS), **ray})
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit this signal as ignored


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers for `-n auto`: one more than cores, as far as they fit into memory.

    Tests spend a good part of their time waiting for other processes.
    """
    return max(1, min(usable_cores() + 1, usable_memory() // WORKER_BYTES))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the longest tests to the front, so that none of them runs alone at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes in this block: what is written after that fails, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """Give every test the same random numbers in every run, on every machine."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Give a function that returns a folder, which one worker of pytest-xdist makes and all workers use."""
    base = tmp_path_factory.getbasetemp()
    common = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def folder(name: str, make: Callable[[Path], object]) -> Path:
        """Return the folder; `make` is called with its path when there is none, and leaves a whole folder or none."""
        made = common / name
        made.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(made.parent / "lock"):
            if not made.exists():
                make(made)
        return made

    return folder


@pytest.fixture
def untraced(monkeypatch) -> None:
    """Keep `make coverage` from following the processes that a test starts, such as Ray's many."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(scope="session")
def small_data(made_once) -> Path:
    """Return a data folder with 400 synthetic images per file."""
    make = partial(make_batches, origin=from_synthetic(0), per_file=PER_FILE)
    return made_once("synthetic/cifar10_batches", make)


@pytest.fixture(scope="session")
def real_images() -> Path:
    """Return the archive of real CIFAR-10 images; skip the test where MP09_REAL_DATA names none."""
    folder = os.environ.get("MP09_REAL_DATA")
    if not folder:
        pytest.skip("MP09_REAL_DATA does not name a folder with real images")
    return Path(folder) / "cifar10-images.tar.xz"


@pytest.fixture(scope="session")
def real_data(real_images, made_once) -> Path:
    """Return a data folder with all 48,000 real images of our eight classes."""
    return made_once("real/cifar10_batches", partial(make_batches, origin=from_images(real_images)))


@pytest.fixture(scope="session")
def sandbox():
    """Give one sandbox, whose process is already warm, to all gradings of the self-tests."""
    with Sandbox(Settings(device="cpu", threads=THREADS), guarded=[ROOT / "tests"]) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def run_grader(small_data, sandbox):
    """Give a function that grades a submission on the small data, by default with the whole rubric."""

    def run(source: Path, **options):
        parts = {"kit": ROOT, "tests": ROOT / "tests", "data": small_data}
        parts |= {name: options.pop(name) for name in parts if name in options}
        others = {"sandbox": sandbox}
        others |= {name: options.pop(name) for name in ("sandbox", "out", "render", "watcher") if name in options}
        return grade(source, Assignment(**parts), GradeOptions(**options), **others)

    return run
