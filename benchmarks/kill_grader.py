"""Kills the grader at random moments: is results.json always absent or valid, and is nothing left running?

    python -m benchmarks.kill_grader --data DIR [--times 20]

It prints one line for each kill. At the end it grades once more, which must give the same score as before the kills.
It does not cover a machine that loses power.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]


def start(data: Path, out: Path, submission: Path) -> subprocess.Popen[bytes]:
    options: list[str | Path] = ["--data", data, "-o", out, "--submission", submission]
    command = [sys.executable, ROOT / "grade.py", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_after(seconds: float, data: Path, out: Path, submission: Path) -> str:
    """Kill a grading run after some time; return what is wrong with what it left, or "" when nothing is."""
    out.unlink(missing_ok=True)
    grader = start(data, out, submission)
    time.sleep(seconds)
    family = psutil.Process(grader.pid).children(recursive=True)
    grader.send_signal(signal.SIGKILL)
    grader.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    if alive:
        return f"{len(alive)} processes survive"
    if out.exists():
        try:
            results = json.loads(out.read_text())
        except ValueError as error:
            return f"results.json is broken: {error}"
        if not results["tests"] or results["score"] != sum(test["score"] for test in results["tests"]):
            return "results.json does not add up"
    return ""


def score(data: Path, out: Path, submission: Path) -> float:
    """Return the score of an undisturbed run."""
    if start(data, out, submission).wait():
        raise SystemExit("the grader could not run")
    return json.loads(out.read_text())["score"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "cifar10_batches")
    parser.add_argument("--submission", type=Path, default=ROOT)
    parser.add_argument("--times", type=int, default=20)
    args = parser.parse_args()
    random.seed(0)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "results.json"
        started = time.monotonic()
        before = score(args.data, out, args.submission)
        whole, failures = time.monotonic() - started, 0
        for number in range(args.times):
            seconds = random.uniform(0.3, whole)
            problem = kill_after(seconds, args.data, out, args.submission)
            failures += bool(problem)
            print(f"{number + 1:3}  killed after {seconds:5.1f} s  results: {out.exists()}  {problem}")
        after = score(args.data, out, args.submission)
    print(f"{args.times - failures} of {args.times} as it must be; score before {before:g}, after {after:g}")
    return int(bool(failures) or before != after)


if __name__ == "__main__":
    sys.exit(main())
