"""What the grader itself costs: a submission that does nothing, cold and in a warm run.

    python -m benchmarks.grading_cost [--data DIR]

Cold: starting the warm process (which imports torch), the probe, and grading. Warm: grading alone, the median of ten.
Does not cover: what a submission's own code takes.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mp09.data.prepare import make_batches
from mp09.data.sources import from_synthetic
from mp09.grading.grade import grade
from mp09.grading.machine import usable_cores
from mp09.grading.sandbox import Sandbox, Settings
from mp09.release.strip import strip

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="default: drawn, 400 pictures a file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data or Path(folder) / "cifar10_batches"
        if not args.data:
            make_batches(data, from_synthetic(0), per_file=400)
        skeleton = Path(folder) / "submitted.py"
        skeleton.write_text(strip((ROOT / "submitted.py").read_text()))
        options = {"kit": ROOT, "tests": ROOT / "tests", "data": data}
        started = time.perf_counter()
        with Sandbox(Settings(device="cpu", threads=usable_cores()), guarded=[ROOT / "tests"]) as sandbox:
            times = []
            for _ in range(11):
                grade(skeleton, sandbox=sandbox, **options)
                times.append(time.perf_counter() - started)
                started = time.perf_counter()
            level = sandbox.level
    print(f"cold {times[0]:.2f} s, warm {statistics.median(times[1:]):.2f} s, isolation: {level}")


if __name__ == "__main__":
    main()
