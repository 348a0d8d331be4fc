"""Tries what makes extraction fast (engines, precisions, batch sizes), and what that costs in accuracy.

    python -m benchmarks.extraction_forms [--data cifar10_batches] [--compile]

The hardware's limit is a matrix product in the same precision. With --compile, torch.compile is tried, too; it needs a
C++ compiler and takes minutes. There is no goal: it only prints what was tried and what that gave.
"""

import argparse
import copy
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from torch import nn

from benchmarks.common import by_turns, machine, seconds, show
from mp09.data.cifar import TEST_FILE, read_batch
from mp09.device import fast_dtype
from mp09.features.extract import CALIBRATION, ExtractOptions, extract
from mp09.features.forms import Form, engine, form_of, pytorch_form
from mp09.features.heads import accuracy, train_head
from mp09.nets.backbones import Backbone, backbone
from mp09.precision import BFLOAT16, FLOAT32, INT8
from mp09.recipes.datasets import training_images
from mp09.training.options import FitOptions

BATCHES = (1, 64, 256)
IMAGES = 1024  # in one measurement
GIGA_OPERATIONS = 0.28  # operations of the model for one image, in 1e9: it multiplies and adds 0.14 billion times
MATRIX, SEEDS, EPOCHS, LR, ROUNDS = 2048, 3, 5, 3e-3, 3
CPU = torch.device("cpu")


def forms_of(body: nn.Module, x: torch.Tensor, *, with_compile: bool) -> dict[str, Form]:
    """Return what is tried, by name: each engine in each precision. `x` are preprocessed images."""
    plain = copy.deepcopy(body).eval()
    forms = {"PyTorch as it is, float32": Form(torch.inference_mode()(plain))}
    precisions = [FLOAT32, *([BFLOAT16] if fast_dtype(CPU) == torch.bfloat16 else [])]  # others are slow in it
    for precision in precisions:
        forms[f"PyTorch folded, {precision}"] = pytorch_form(body, precision, CPU)
        if with_compile:
            torch._inductor.config.freezing = True
            forms[f"torch.compile, {precision}"] = Form(torch.compile(pytorch_form(body, precision, CPU).features))
    if name := engine(CPU):
        for precision in (*precisions, INT8):
            forms[f"{name}, {precision}"] = form_of(body, x[:2], precision, CPU, list(x.split(64)))
    return forms


@torch.inference_mode()
def classes_of(form: Form, base: Backbone, images: np.ndarray) -> torch.Tensor:
    """Return the class (N,) that the published head names for each image."""
    assert base.head is not None  # the course's model ends in one linear layer
    parts = torch.from_numpy(images).split(256)
    return torch.cat([base.head(form(base.preprocess(x))).argmax(dim=1) for x in parts])


def repeated(form: Form, x: torch.Tensor, runs: int) -> None:
    for _ in range(runs):
        form(x)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("cifar10_batches"))
    parser.add_argument("--compile", action="store_true", help="try torch.compile, too")
    args = parser.parse_args()
    found, name = training_images(args.data)
    print(f"{machine()}; {name}")
    for precision, dtype in {FLOAT32: torch.float32, BFLOAT16: torch.bfloat16}.items():
        a = torch.randn(MATRIX, MATRIX).to(dtype)
        product = [2 * MATRIX**3 / 1e9 / seconds(lambda a=a: a @ a) for _ in range(10)][1:]  # type: ignore[misc]
        limit = max(product) / GIGA_OPERATIONS
        show(f"a matrix product, {precision}", product, f"GFLOP/s, which is {limit:.0f} images/s")

    base = backbone("resnet18-32")
    x = base.preprocess(torch.from_numpy(found.images[:CALIBRATION]))
    forms = forms_of(base.body, x, with_compile=args.compile)
    for size in BATCHES:
        runs = max(1, IMAGES // size)
        sides = {name: partial(repeated, form, x[:size], runs) for name, form in forms.items()}
        for work in sides.values():  # the first calls also plan, and are not timed
            work()
        for name, times in by_turns(sides, ROUNDS).items():
            show(f"batches of {size}, {name}", [runs * size / time for time in times], "images/s")

    test = read_batch(args.data / TEST_FILE)
    answers = {name: classes_of(form, base, test.images) for name, form in forms.items()}
    exact = answers["PyTorch as it is, float32"]
    for name, found_classes in answers.items():
        equal = (found_classes == exact).float().mean().item()
        print(f"{name}: the same of ten classes for {equal:.2%} of {len(test)} test images")
    parts = {
        precision: [extract(base, part, ExtractOptions("cpu", precision)) for part in (found, test)]
        for precision in (FLOAT32, BFLOAT16, *([INT8] if engine(CPU) else []))
    }
    for seed in range(SEEDS):
        for precision, (train, judged) in parts.items():
            torch.manual_seed(seed)
            head = nn.Linear(base.width, len(found.classes))
            train_head(head, train, options=FitOptions(epochs=EPOCHS, lr=LR, seed=seed, device="cpu"))
            other = parts[FLOAT32][1]
            print(
                f"seed {seed}, trained on {precision}: accuracy {accuracy(head, judged):.4f} on such features of "
                f"{len(test)} test images, {accuracy(head, other):.4f} on float32 ones"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
