"""Measures what the grader itself costs, with a submission that does nothing, cold and in a warm run.

    python -m benchmarks.grading_cost [--data DIR]

The cold time covers the start of the warm process (which imports torch), the probe, and grading. The warm time is that
of grading alone, the median of ten. It does not cover the time that a submission's own code takes.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mp09.data.origins import from_synthetic
from mp09.data.prepare import make_batches
from mp09.grading.assignment import Assignment
from mp09.grading.grade import grade
from mp09.grading.sandbox.machine import usable_cores
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from mp09.release.strip import strip

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of batch files (default: synthetic images, 400 in each file)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or Path(folder) / "cifar10_batches"
        if not args.data:
            make_batches(data, from_synthetic(0), per_file=400)
        skeleton = Path(folder) / "submitted.py"
        skeleton.write_text(strip((ROOT / "submitted.py").read_text()))
        assignment = Assignment(ROOT, ROOT / "tests", data)
        started = time.perf_counter()
        with Sandbox(Settings(device="cpu", threads=usable_cores()), guarded=[ROOT / "tests"]) as sandbox:
            times = []
            for _ in range(11):
                grade(skeleton, assignment, sandbox=sandbox)
                times.append(time.perf_counter() - started)
                started = time.perf_counter()
            level = sandbox.level
    print(f"cold {times[0]:.2f} s, warm {statistics.median(times[1:]):.2f} s, isolation: {level}")


if __name__ == "__main__":
    main()
