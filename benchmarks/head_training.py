"""Times three ways to train a head: the reference solution's loop, a plain loop, and cached features.

    python -m benchmarks.head_training [--data cifar10_batches] [--rounds 2] [--device cpu]

The plain loop trains a frozen resnet18 with a new classifier as a first solution does: in float32, with transforms for
one sample at a time. The reference is `train` of submitted.py, on its own model and dataset. Both train one epoch, on
the same images in batches of 64. The third way is extraction and then ten epochs on the features, as the commands do
it, and with the extra `fast` also with int8; it is compared with ten times the measured epoch of the plain loop.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import submitted
from benchmarks.common import by_turns, machine, show, verdict
from models import ResNet, resnet18
from mp09.data.cifar import TEST_FILE, TRAIN_FILES, read_batch
from mp09.data.imageset import ImageSet
from mp09.device import choose_device
from mp09.features.extract import ExtractOptions, extract
from mp09.features.forms import engine
from mp09.features.heads import accuracy, train_head
from mp09.nets.backbones import backbone
from mp09.recipes.datasets import training_images
from mp09.training.options import FitOptions

GOAL_EPOCH, GOAL_CACHED = 2.0, 8.0
BATCH, EPOCHS, LR = 64, 10, 3e-3


class PlainImages(Dataset[tuple[Tensor, int]]):
    """Gives one image at a time, transformed by itself."""

    def __init__(self, found: ImageSet):
        self.images = found.images.transpose(0, 2, 3, 1)
        self.labels = found.labels
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(submitted.MEAN, submitted.STD)]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), int(self.labels[index])


def plain_model() -> ResNet:
    net = resnet18(pretrained=True)
    net.requires_grad_(False)
    net.fc = nn.Linear(512, 8)
    return net


def plain_epoch(model: nn.Module, loader: DataLoader[tuple[Tensor, int]], optimizer: torch.optim.Optimizer) -> None:
    device = next(model.parameters()).device
    model.train()
    loss_fn = nn.CrossEntropyLoss()
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss_fn(model(images), labels).backward()
        optimizer.step()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("cifar10_batches"))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    device = choose_device(args.device)
    found, name = training_images(args.data)
    test = read_batch(args.data / TEST_FILE)
    print(f"{machine(device)}; {name}, {len(found)} images, batches of {BATCH}")

    torch.manual_seed(0)
    plain, reference = plain_model().to(device), submitted.build_model().to(device)
    plain_loader = DataLoader(PlainImages(found), BATCH, shuffle=True)
    files = [str(args.data / file) for file in TRAIN_FILES]
    dataset = submitted.build_dataset(files, submitted.get_preprocess_transform("train"))
    reference_loader = submitted.build_dataloader(dataset, {"batch_size": BATCH, "shuffle": True})
    plain_optimizer = torch.optim.Adam(plain.fc.parameters(), lr=LR)
    optimizer = submitted.build_optimizer("Adam", reference.parameters(), {"lr": LR})
    base = backbone("resnet18-32")
    precisions = ("auto", "int8") if engine(device) else ("auto",)
    heads = {precision: nn.Linear(base.width, 8) for precision in precisions}

    def cached(precision: str) -> None:
        torch.manual_seed(0)
        heads[precision].reset_parameters()
        features = extract(base, found, ExtractOptions(args.device, precision))
        train_head(heads[precision], features, options=FitOptions(epochs=EPOCHS, lr=LR, device=args.device))

    times = by_turns(
        {
            "plain": lambda: plain_epoch(plain, plain_loader, plain_optimizer),
            "reference": lambda: submitted.train(reference_loader, reference, nn.CrossEntropyLoss(), optimizer),
            **{precision: partial(cached, precision) for precision in precisions},
        },
        args.rounds,
    )
    test_loader, test_features = DataLoader(PlainImages(test), 256), extract(base, test, ExtractOptions(args.device))
    for side, epochs, value in (
        ("plain", args.rounds, submitted.test(test_loader, plain)),
        ("reference", args.rounds, submitted.test(test_loader, reference)),
        *((f"cached, {name}", EPOCHS, accuracy(head, test_features)) for name, head in heads.items()),
    ):
        print(f"{side}, {epochs} epochs: accuracy {value:.4f} on {len(test)} test images")
    plain_s = show("plain loop, one epoch", times["plain"])
    one = verdict(plain_s / show("reference, one epoch", times["reference"]), GOAL_EPOCH)
    plain_s *= EPOCHS
    print(f"plain loop, {EPOCHS} epochs: {plain_s:.1f} s")
    if "int8" in times:
        int8_s = show(f"int8 extraction and {EPOCHS} epochs", times["int8"])
        print(f"in int8 the plain loop takes {plain_s / int8_s:.1f} times as long")
    ten = verdict(plain_s / show(f"extraction and {EPOCHS} epochs", times["auto"]), GOAL_CACHED)
    return one or ten


if __name__ == "__main__":
    sys.exit(main())
