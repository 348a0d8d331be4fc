"""`python -m mp09 tune`: look for a head's best hyper-parameters on cached features, and judge a head that has them."""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mp09 import tuning
from mp09.cluster import RayExecutor, connected
from mp09.errors import TrainingError
from mp09.features.featureset import FeatureSet
from mp09.features.heads import accuracy, train_head
from mp09.nets.backbones import backbone
from mp09.nets.classifier import make_head
from mp09.recipes.features import features_of
from mp09.recipes.pictures import Data
from mp09.recipes.progress import Progress, no_progress
from mp09.training import plots

EPOCHS = 3


@dataclass(frozen=True)
class Tuned:
    """accuracy: of a head trained with the best parameters, on pictures that the search never saw; None without any."""

    trials: list[tuning.Trial]
    best: tuning.Trial
    accuracy: float | None


def tune(
    data: Data,
    *,
    network: str = "resnet18-32",
    weights: str = "default",
    trials: int = 30,
    parallel: int | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    out: Path,
    cache: Path | None = None,
    on_cluster: bool = False,
    address: str | None = None,
    watch: tuning.Watch | None = None,
    progress: Progress = no_progress,
) -> Tuned:
    """Search on the validation pictures, judge the best on the test ones; trials.json and plots go into `out`.

    parallel: trials at a time; default: 1, or on a cluster as many as it has cores.
    on_cluster: the trials run on Ray's cluster at `address`, see `cluster.connected`.
    """
    if epochs < 1:
        raise TrainingError(f"epochs: expected 1 or more, got {epochs}.")
    base = backbone(network, weights)
    where = {"device": device, "precision": precision, "cache": cache, "progress": progress}
    train, valid = features_of(base, data.train, "train", **where), features_of(base, data.valid, "valid", **where)
    evaluate = partial(evaluate_head, train=train, valid=valid, classes=len(data.classes), epochs=epochs, seed=seed)
    with connected(address) if on_cluster else nullcontext() as ray:
        cores = int(ray.cluster_resources().get("CPU", 1)) if ray else 1
        found = tuning.search(
            evaluate,
            trials=trials,
            parallel=parallel or cores,
            seed=seed,
            folder=out,
            card={"train": train.key, "valid": valid.key, "classes": list(data.classes), "epochs": epochs},
            executor=RayExecutor(ray) if ray else None,
            watch=watch,
        )
    best = tuning.best(found)
    plots.save(tuning.best_so_far(found), out / "best_so_far")
    if len(found) >= tuning.MODEL_TRIALS:
        plots.save(tuning.contour(found, seed=seed), out / "contour")
    judged = None
    if data.test is not None:
        test = features_of(base, data.test, "test", **where)
        judged = accuracy(trained_head(best.parameters, train, len(data.classes), epochs=epochs, seed=seed)[0], test)
    return Tuned(found, best, judged)


def evaluate_head(
    parameters: dict[str, Any], *, train: FeatureSet, valid: FeatureSet, classes: int, epochs: int, seed: int
) -> float:
    """The validation accuracy of a head that is trained with these parameters, after the last epoch."""
    _, history = trained_head(parameters, train, classes, valid=valid, epochs=epochs, seed=seed)
    return history[-1]["valid_accuracy"]


def trained_head(
    parameters: dict[str, Any],
    train: FeatureSet,
    classes: int,
    *,
    valid: FeatureSet | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
):
    """(head, history) of a head with parameters of the search."""
    chosen = dict(parameters)
    torch.manual_seed(seed)
    head = make_head(train.features.shape[1], classes, hidden=tuning.HEADS[chosen.pop("head")])
    return head, train_head(head, train, valid, epochs=epochs, seed=seed, device="cpu", **chosen)
