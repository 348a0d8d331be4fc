"""Checks that extraction's memory, features aside, does not grow with the images: 40,000 against 400,000.

    python -m benchmarks.extraction_memory

The goal is one for the ratio of the two peaks. The images are random and made a batch at a time, as one would read a
dataset that does not fit in memory, and each number of images has a process of its own. Single convolutions replace the
four stages of the model, so that 400,000 images take only minutes; that changes the time, but not how memory grows.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SIZES = (40_000, 400_000)
BATCH, GOAL = 256, 0.8


def measure(count: int) -> None:
    """Print the peak resident memory besides the features, in MiB."""
    import torch
    from torch import nn

    from mp09.features.extract import ExtractOptions, extract
    from mp09.nets.backbones import backbone

    base = backbone("resnet18-32")
    base.body.layer1, base.body.layer2, base.body.layer3 = (nn.Conv2d(64, 64, 1, stride=2) for _ in range(3))
    base.body.layer4 = nn.Conv2d(64, 512, 1)

    def lazily() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for start in range(0, count, BATCH):
            n = min(BATCH, count - start)
            yield torch.randint(256, (n, 3, 32, 32), dtype=torch.uint8), torch.zeros(n, dtype=torch.int64)

    found = extract(base, lazily(), ExtractOptions("cpu", "float32", batch_size=BATCH))
    status = Path("/proc/self/status").read_text()  # getrusage's peak may be the calling process's, as it outlives exec
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    print(peak - (found.features.nbytes + found.labels.nbytes) / 2**20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.count:
        measure(args.count)
        return 0
    from benchmarks.common import machine, verdict

    print(machine())
    peaks = []
    for count in (BATCH, *SIZES):
        command = [sys.executable, "-m", "benchmarks.extraction_memory", "--count", str(count)]
        done = subprocess.run(
            command, cwd=Path(__file__).resolve().parents[1], capture_output=True, text=True, check=True
        )
        peaks.append(float(done.stdout))
        print(f"{count:7} images: {peaks[-1]:.0f} MiB besides the features")
    return verdict(peaks[1] / peaks[2], GOAL)


if __name__ == "__main__":
    sys.exit(main())
