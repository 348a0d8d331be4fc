"""Times an Ax search of 30 trials on cached features in one process, which may take 90 seconds.

    python -m benchmarks.tuning_time [--data cifar10_batches]

It prints the ratio of 90 seconds to the time of a search. The features are extracted before that. The first search
includes the time of importing Ax.
"""

import argparse
import sys
import tempfile
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import machine, seconds, show, verdict
from mp09 import tuning
from mp09.features.extract import ExtractOptions
from mp09.nets.backbones import backbone
from mp09.recipes.datasets import open_data
from mp09.recipes.feature_sets import features_of
from mp09.recipes.tune import EPOCHS, evaluate_head

TRIALS, ALLOWED_S = 30, 90.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("cifar10_batches"))
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    data = open_data(args.data)
    base = backbone("resnet18-32")
    options = ExtractOptions("cpu")
    train, valid = features_of(base, data.train, "train", options), features_of(base, data.valid, "valid", options)
    evaluate = partial(evaluate_head, train=train, valid=valid, classes=len(data.classes), epochs=EPOCHS, seed=0)
    found: list[tuning.Trial] = []
    times = []
    for _ in range(args.rounds):
        found.clear()
        with tempfile.TemporaryDirectory() as folder:
            times.append(seconds(lambda: found.extend(tuning.search(evaluate, trials=TRIALS, folder=Path(folder)))))
    print(f"{machine()}; {data.name}, {len(train)} images, {EPOCHS} epochs a trial")
    print(f"best of {TRIALS}: {tuning.best(found).accuracy:.4f} on {len(valid)} validation images")
    spent = [trial.seconds for trial in found]
    show("one trial of the last search", spent)
    print(f"choosing, in the last search: {times[-1] - sum(spent):.1f} s")
    return verdict(ALLOWED_S / show("a search", times), 1.0)


if __name__ == "__main__":
    sys.exit(main())
