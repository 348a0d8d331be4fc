"""Grades the reference solution beside a loop that fills and empties /dev/shm: does that disturb the grading?

    python -m benchmarks.busy_shared_memory [--times 20]

It prints one line for each grading. The exit code is 0 when each gave 100 points without a remark.
It does not cover a /dev/shm that is full.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
from multiprocessing.synchronize import Event
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mp09.data.origins import from_synthetic
from mp09.data.prepare import make_batches
from mp09.grading.assignment import Assignment
from mp09.grading.grade import grade
from mp09.grading.sandbox.machine import usable_cores
from mp09.grading.sandbox.sandbox import Sandbox, Settings

ROOT = Path(__file__).resolve().parents[1]


def come_and_go(ready: Event) -> None:
    """Make and remove files and folders in /dev/shm for ever, once `ready` is set."""
    ready.set()
    while True:
        for number in range(100):
            name = f"/dev/shm/mp09-busy-{os.getpid()}-{number}"
            with open(name, "w") as file:
                file.write("x" * 100)
            os.mkdir(f"{name}-folder")
            os.unlink(name)
            os.rmdir(f"{name}-folder")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20, metavar="N", help="how many gradings (default: %(default)s)")
    args = parser.parse_args()
    ready = multiprocessing.Event()
    loop = multiprocessing.Process(target=come_and_go, args=[ready], daemon=True)
    loop.start()
    ready.wait()
    good = 0
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "cifar10_batches"
        make_batches(data, from_synthetic(0), per_file=400)
        Path(folder).chmod(0o755)
        threads = max(1, usable_cores() - 1)  # the loop takes a core
        with Sandbox(Settings(device="cpu", threads=threads)) as sandbox:
            for number in range(args.times):
                report = grade(ROOT / "submitted.py", Assignment(ROOT, ROOT / "tests", data), sandbox=sandbox)
                good += report.score == 100 and not report.remarks and report.status == "graded"
                print(f"{number + 1}: {report.score:g} points, {report.sandbox}, remarks: {list(report.remarks)}")
    loop.kill()
    loop.join()
    for path in Path("/dev/shm").glob("mp09-busy-*"):
        path.rmdir() if path.is_dir() else path.unlink()
    print(f"{good} of {args.times} with 100 points and no remark")
    return int(good < args.times)


if __name__ == "__main__":
    sys.exit(main())
