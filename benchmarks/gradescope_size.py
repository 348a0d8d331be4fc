"""Checks that the autograder fits Gradescope's machines: grades the reference as a container would, under limits.

    python -m benchmarks.gradescope_size --data DIR [--cpus 1 --memory 1536] [--submission FILE]

It unpacks the package, runs setup.sh without its installations, runs run_autograder with limits on processor time and
memory, and prints score, seconds and the most memory used. The limits are set by control groups, version 1 or 2, which
takes root. Files that the kernel keeps in memory count as well, until it needs that memory. It does not cover
Gradescope's own processor.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mp09.release.autograder import build_autograder

ROOT = Path(__file__).resolve().parents[1]
GROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cpus", type=float, default=1.0)
    parser.add_argument("--memory", type=int, default=1536, metavar="MIB")
    parser.add_argument("--submission", type=Path, default=ROOT / "submitted.py")
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="mp09-autograder-"))
    group = Group(args.cpus, args.memory)
    try:
        root.chmod(0o755)
        with zipfile.ZipFile(build_autograder(ROOT, root / "autograder.zip", data=args.data, minutes=10)) as package:
            package.extractall(root / "source")
        (root / "venv").symlink_to(sys.prefix)
        (root / "submission").mkdir()
        (root / "results").mkdir()
        shutil.copy(args.submission, root / "submission" / "submitted.py")
        subprocess.run(["bash", root / "source" / "setup.sh", root, "--no-install"], check=True)
        started = time.monotonic()
        command: list[str | Path] = ["bash", root / "source" / "run_autograder", root]
        done = subprocess.run(command, preexec_fn=group.enter, capture_output=True, text=True)
        seconds = time.monotonic() - started
        results = root / "results" / "results.json"
        report = json.loads(results.read_text()) if results.exists() else None
        print(f"{args.cpus:g} CPU, {args.memory} MiB: exit code {done.returncode}, {seconds:.0f} s, {group.peak()} MiB")
        if report:
            extra = report["extra_data"]
            print(
                f"score {report['score']:g}, accuracy {extra['accuracy']}, {extra['data_source']}, {extra['isolation']}"
            )
            print(*{test["extra_data"]["diagnosis"] for test in report["tests"]} - {""})
        else:
            print(done.stdout[-2000:], done.stderr[-2000:])
    finally:
        group.close()
        shutil.rmtree(root)


class Group:
    """A control group limits the processor time and the memory of the processes that enter it."""

    def __init__(self, cpus: float, memory_mib: int):
        name = f"mp09-{uuid.uuid4().hex[:8]}"
        quota, limit = int(cpus * PERIOD_US), memory_mib << 20
        if (GROUPS / "cgroup.controllers").exists():
            self.folders = [GROUPS / name]
            limits = {"cpu.max": f"{quota} {PERIOD_US}", "memory.max": str(limit), "memory.swap.max": "0"}
            self._peak = "memory.peak"
        else:
            self.folders = [GROUPS / "cpu" / name, GROUPS / "memory" / name]
            limits = {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": str(quota)}
            limits |= {"memory.limit_in_bytes": str(limit)}
            self._peak = "memory.max_usage_in_bytes"
        for folder in self.folders:
            folder.mkdir()
        for file, value in limits.items():
            holders = [folder for folder in self.folders if (folder / file).exists()]
            if not holders and file != "memory.swap.max":
                raise SystemExit(f"{file}: this machine's control groups can't limit that")
            for folder in holders:
                (folder / file).write_text(value)

    def enter(self) -> None:
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def peak(self) -> int:
        """Return the most memory that was used, in MiB."""
        return next(int((f / self._peak).read_text()) >> 20 for f in self.folders if (f / self._peak).exists())

    def close(self) -> None:
        for folder in self.folders:
            folder.rmdir()


if __name__ == "__main__":
    main()
