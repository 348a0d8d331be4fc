"""Trains a new last layer for AlexNet on Tiny ImageNet: are 50 epochs on cached features 20 times as fast?

    python -m benchmarks.alexnet_cached --data tiny-imagenet-200 [--weights none]

It compares 50 epochs on cached features, their extraction included, with recomputing the features in every epoch. Both
train with Adam, in batches of 100, on 5,000 images of 224 x 224 pixels. To recompute, the frozen model runs in the
form that training gives it; two epochs are timed and scaled to 50. The weights don't change the time, so by default
they are random numbers, which need no download.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.common import machine, seconds, show, verdict
from mp09.data.imageset import ImageSet
from mp09.features.extract import ExtractOptions, extract
from mp09.features.heads import train_head
from mp09.nets.backbones import backbone
from mp09.nets.classifier import Classifier, make_head
from mp09.recipes.datasets import loader, open_data
from mp09.training.fit import fit
from mp09.training.options import FitOptions

GOAL = 20.0
PER_CLASS, BATCH, EPOCHS, TIMED = 25, 100, 50, 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="none")
    args = parser.parse_args()
    data = open_data(args.data, per_class=PER_CLASS)
    train = data.train
    assert isinstance(train, ImageSet)  # the images have one size, and so they are in memory
    torch.manual_seed(0)
    base = backbone("alexnet", args.weights)
    head = make_head(base.width, len(data.classes))

    def cached() -> None:
        features = extract(base, train, ExtractOptions("cpu", batch_size=BATCH))
        options = FitOptions(epochs=EPOCHS, optimizer="adam", device="cpu")
        train_head(head, features, options=options, batch_size=BATCH)

    batches = loader(data.train, base.preprocess, BATCH, shuffle=True)
    model = Classifier(base, make_head(base.width, len(data.classes)))
    options = FitOptions(epochs=TIMED, optimizer="adam", schedule="constant", device="cpu")
    history = fit(model, batches, options=options)
    times = [seconds(cached) for _ in range(TIMED)]
    print(f"{machine()}; {data.name}, {len(data.train)} images at {base.preprocess.size} px, batches of {BATCH}")
    epochs_s = EPOCHS * show("recomputed, one epoch", history.column("seconds"))
    print(f"recomputed, {EPOCHS} epochs: {epochs_s:.1f} s")
    return verdict(epochs_s / show(f"extraction and {EPOCHS} epochs", times), GOAL)


if __name__ == "__main__":
    sys.exit(main())
