"""Tries what makes extraction fast (forms of the model, batch sizes, threads), and what int8 costs in accuracy.

    python -m benchmarks.extraction_forms [--data cifar10_batches]

It has no goal, and only prints what was tried and what that gave.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import nn

from benchmarks.common import machine, seconds, show
from mp09.data.cifar import TEST_FILE, read_batch
from mp09.device import fast_dtype
from mp09.features.extract import CALIBRATION, ExtractOptions, extract
from mp09.features.forms import fast_form, int8_form
from mp09.features.heads import accuracy, train_head
from mp09.nets.backbones import backbone
from mp09.recipes.datasets import training_images
from mp09.training.options import FitOptions

BATCHES = (8, 32, 128, 512)
IMAGES = 1024  # in one measurement
GIGA_OPERATIONS = 0.28  # operations of the model for one image, in 1e9: it multiplies and adds 0.14 billion times
MATRIX, SEEDS, EPOCHS, LR, ROUNDS = 2048, 3, 5, 3e-3, 3


@torch.inference_mode()
def rate(model: nn.Module, x: torch.Tensor) -> list[float]:
    """Measure images a second, ROUNDS times."""
    model(x)
    runs = max(1, IMAGES // len(x))
    return [runs * len(x) / seconds(lambda: [model(x) for _ in range(runs)]) for _ in range(ROUNDS)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("cifar10_batches"))
    args = parser.parse_args()
    found, name = training_images(args.data)
    print(f"{machine()}; {name}")
    a = torch.randn(MATRIX, MATRIX)
    product = [2 * MATRIX**3 / 1e9 / seconds(lambda: a @ a) for _ in range(10)][1:]
    show("a matrix product", product, "GFLOP/s")

    base = backbone("resnet18-32")
    x = base.preprocess(torch.from_numpy(found.images[:CALIBRATION]))
    last = x.contiguous(memory_format=torch.channels_last)
    forms = {
        "as it is": (base.body.eval(), x),
        "folded, channels last": (fast_form(base.body, torch.float32), last),
        "int8": (int8_form(base.body, [x]), x),
    }
    if fast_dtype(torch.device("cpu")) == torch.bfloat16:  # other processors are many times slower in it
        forms["bfloat16"] = fast_form(base.body, torch.bfloat16), last.bfloat16()
    for size in BATCHES:
        for form, (model, images) in forms.items():
            show(f"batches of {size}, {form}", rate(model, images[:size]), "images/s")
    fastest = forms["folded, channels last"][0]
    print(f"folded, batches of 256: {GIGA_OPERATIONS * max(rate(fastest, last[:256])):.0f} GFLOP/s at best")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    show("one thread, folded, batches of 256", rate(fastest, last[:256]), "images/s")
    torch.set_num_threads(threads)

    test = read_batch(args.data / TEST_FILE)
    parts = {
        precision: [extract(base, part, ExtractOptions("cpu", precision)) for part in (found, test)]
        for precision in ("float32", "int8")
    }
    for seed in range(SEEDS):
        for precision, (train, judged) in parts.items():
            torch.manual_seed(seed)
            head = nn.Linear(base.width, len(found.classes))
            train_head(head, train, options=FitOptions(epochs=EPOCHS, lr=LR, seed=seed, device="cpu"))
            other = parts["float32"][1]
            print(
                f"seed {seed}, trained on {precision}: accuracy {accuracy(head, judged):.4f} on such features of "
                f"{len(test)} test images, {accuracy(head, other):.4f} on float32 ones"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
