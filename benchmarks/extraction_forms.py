"""What makes extraction fast: forms of the network, batch sizes, threads; and what int8 costs in accuracy.

    python -m benchmarks.extraction_forms [--data cifar10_batches]

No goal: it says what was tried and what it gave.
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
from mp09.features.extract import CALIBRATION, extract
from mp09.features.forms import fast_form, int8_form
from mp09.features.heads import accuracy, train_head
from mp09.nets.backbones import backbone
from mp09.recipes.pictures import training_pictures

BATCHES = (8, 32, 128, 512)
PICTURES = 1024  # of one measurement
GIGA_OPERATIONS = 0.28  # of the network for one picture: 0.14 billion multiplications and additions
MATRIX, SEEDS, EPOCHS, ROUNDS = 2048, 3, 5, 3


@torch.inference_mode()
def rate(network: nn.Module, x: torch.Tensor) -> list[float]:
    """Pictures a second, ROUNDS times."""
    network(x)
    runs = max(1, PICTURES // len(x))
    return [runs * len(x) / seconds(lambda: [network(x) for _ in range(runs)]) for _ in range(ROUNDS)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("cifar10_batches"))
    args = parser.parse_args()
    found, name = training_pictures(args.data)
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
    if fast_dtype(torch.device("cpu")) == torch.bfloat16:  # elsewhere it is many times slower
        forms["bfloat16"] = fast_form(base.body, torch.bfloat16), last.bfloat16()
    for size in BATCHES:
        for form, (network, pictures) in forms.items():
            show(f"batches of {size}, {form}", rate(network, pictures[:size]), "pictures/s")
    fastest = forms["folded, channels last"][0]
    print(f"folded, batches of 256: {GIGA_OPERATIONS * max(rate(fastest, last[:256])):.0f} GFLOP/s at best")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    show("one thread, folded, batches of 256", rate(fastest, last[:256]), "pictures/s")
    torch.set_num_threads(threads)

    test = read_batch(args.data / TEST_FILE)
    parts = {
        precision: [extract(base, part, device="cpu", precision=precision) for part in (found, test)]
        for precision in ("float32", "int8")
    }
    for seed in range(SEEDS):
        for precision, (train, judged) in parts.items():
            torch.manual_seed(seed)
            head = nn.Linear(base.width, len(found.classes))
            train_head(head, train, epochs=EPOCHS, seed=seed, device="cpu")
            other = parts["float32"][1]
            print(
                f"seed {seed}, trained on {precision}: accuracy {accuracy(head, judged):.4f} on such features of "
                f"{len(test)} test pictures, {accuracy(head, other):.4f} on float32 ones"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
