"""Checks that extraction costs little besides the model: its rate over that of the bare model.

    python -m benchmarks.extraction_rate [--data cifar10_batches] [--rounds 3] [--device cpu]

The bare model has the same form and precision, and takes the same batches as floats that lie ready on the device; its
outputs are not kept. What the form itself gains over PyTorch's is measured by `extraction_forms`.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.common import by_turns, machine, show, verdict
from mp09.data.imageset import ImageSet
from mp09.device import choose_device, fast_dtype, synchronize
from mp09.features.extract import BATCH_SIZE, ExtractOptions, extract
from mp09.features.forms import engine, form_of
from mp09.features.sources import batches
from mp09.nets.backbones import backbone
from mp09.precision import BFLOAT16, FLOAT32
from mp09.recipes.datasets import training_images

GOAL = 0.90


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("cifar10_batches"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    found, name = training_images(args.data)
    device, where = choose_device(args.device), ExtractOptions(args.device)
    precision = BFLOAT16 if fast_dtype(device) == torch.bfloat16 else FLOAT32
    base = backbone("resnet18-32")
    ready = [base.preprocess(x).to(device) for x, _ in batches(found, BATCH_SIZE)]
    form = form_of(base.body, ready[0][:2], precision, device)

    def bare() -> None:
        for x in ready:
            form(x)
        synchronize(device)

    form(ready[0])  # the first call also plans, and is not timed
    extract(base, ImageSet(found.images[:BATCH_SIZE], found.labels[:BATCH_SIZE], found.classes), where)
    times = by_turns({"bare": bare, "extract": lambda: extract(base, found, where)}, args.rounds)
    print(f"{machine(device)}; {name}, {len(found)} images, {precision}, batches of {BATCH_SIZE}")
    print(f"form: {engine(device) or 'PyTorch'}")
    rates = {side: [len(found) / value for value in values] for side, values in times.items()}
    bare_rate = show("bare model", rates["bare"], "images/s")
    return verdict(show("extract", rates["extract"], "images/s") / bare_rate, GOAL)


if __name__ == "__main__":
    sys.exit(main())
