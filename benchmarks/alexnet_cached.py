"""A new last layer for AlexNet on Tiny ImageNet: 50 epochs on cached features against computing them every epoch.

    python -m benchmarks.alexnet_cached --data tiny-imagenet-200 [--weights none]

5,000 pictures at 224 px, batches of 100, Adam. Recomputed: the frozen network runs in every epoch, in the form that
training gives it; two epochs are timed and scaled to 50. The weights don't change the time; without a download: none.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.common import machine, seconds, show, verdict
from mp09.features.extract import extract
from mp09.features.heads import train_head
from mp09.nets.backbones import backbone
from mp09.nets.classifier import Classifier, make_head
from mp09.recipes.pictures import loader, open_data
from mp09.training.fit import fit

GOAL = 20.0
PER_CLASS, BATCH, EPOCHS, TIMED = 25, 100, 50, 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="none")
    args = parser.parse_args()
    data = open_data(args.data, per_class=PER_CLASS)
    torch.manual_seed(0)
    base = backbone("alexnet", args.weights)
    head = make_head(base.width, len(data.classes))

    def cached() -> None:
        features = extract(base, data.train, batch_size=BATCH, device="cpu")
        train_head(head, features, epochs=EPOCHS, batch_size=BATCH, optimizer="adam", lr=1e-3, device="cpu")

    batches = loader(data.train, base.preprocess, BATCH, shuffle=True)
    model = Classifier(base, make_head(base.width, len(data.classes)))
    history = fit(model, batches, epochs=TIMED, optimizer="adam", lr=1e-3, schedule="constant", device="cpu")
    times = [seconds(cached) for _ in range(TIMED)]
    print(f"{machine()}; {data.name}, {len(data.train)} pictures at {base.preprocess.size} px, batches of {BATCH}")
    epochs_s = EPOCHS * show("recomputed, one epoch", history.column("seconds"))
    print(f"recomputed, {EPOCHS} epochs: {epochs_s:.1f} s")
    return verdict(epochs_s / show(f"extraction and {EPOCHS} epochs", times), GOAL)


if __name__ == "__main__":
    sys.exit(main())
