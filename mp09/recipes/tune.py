"""Looks for a head's best hyper-parameters on cached features, and judges a head that has them.

This is the work of `python -m mp09 tune`.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mp09 import tuning
from mp09.cluster import RayExecutor, connected
from mp09.data.archives import Progress
from mp09.errors import TrainingError
from mp09.features.extract import ExtractOptions
from mp09.features.featureset import FeatureSet
from mp09.features.heads import accuracy, train_head
from mp09.nets.backbones import backbone
from mp09.nets.classifier import make_head
from mp09.recipes.datasets import Data
from mp09.recipes.feature_sets import ClusterOptions, calibration_of, features_of
from mp09.recipes.model_options import ModelOptions
from mp09.recipes.progress import no_progress
from mp09.training import plots
from mp09.training.history import History
from mp09.training.options import FitOptions
from mp09.tuning import Trial, WatchTrials

EPOCHS = 3


@dataclass(frozen=True)
class Tuned:
    """Holds what `tune` returns.

    Attributes:
        trials: All trials, those that were already in the folder included.
        best: The trial with the highest accuracy on the validation images.
        accuracy: That of a head which is trained with the best parameters, on test images, which the search never saw,
            0 to 1; None where there are none.
    """

    trials: list[Trial]
    best: Trial
    accuracy: float | None


@dataclass(frozen=True)
class SearchOptions:
    """Says how long a search goes on.

    Attributes:
        trials: How many trials in all, those that are already in the folder included.
        parallel: How many run at a time; by default 1, or on a cluster as many as it has cores.
        epochs: Of each trial.
        seed: Of the search and of each trial.
    """

    trials: int = 30
    parallel: int | None = None
    epochs: int = EPOCHS
    seed: int = 0


def tune(
    data: Data,
    model: ModelOptions = ModelOptions(),
    options: SearchOptions = SearchOptions(),
    extraction: ExtractOptions = ExtractOptions(),
    *,
    out: Path,
    cluster: ClusterOptions = ClusterOptions(),
    watch: WatchTrials | None = None,
    progress: Progress = no_progress,
) -> Tuned:
    """Search on the validation images, and judge a head with the parameters of the best trial on the test images.

    Args:
        data: The images.
        model: Which backbone; the search chooses the head.
        options: How long the search goes on.
        extraction: How features are computed.
        out: The folder for trials and plots. A search that is found there is continued.
        cluster: Whether trials run on a cluster. Features are always computed here.
        watch: Is called with every trial that has ended.
        progress: Is told how far the features are.

    Raises:
        TrainingError: Options are wrong, `out` holds another search or can't be written, or all trials failed.
        DataError, ModelError, FeatureError, DeviceError, ClusterError: As from `feature_sets.features`.
    """
    if options.epochs < 1:
        raise TrainingError(f"epochs: expected 1 or more, got {options.epochs}.")
    base = backbone(model.name, model.weights)
    calibration = calibration_of(base, data.train, extraction)
    train = features_of(base, data.train, "train", extraction, calibration=calibration, progress=progress)
    valid = features_of(base, data.valid, "valid", extraction, calibration=calibration, progress=progress)
    classes, epochs, seed = len(data.classes), options.epochs, options.seed
    evaluate = partial(evaluate_head, train=train, valid=valid, classes=classes, epochs=epochs, seed=seed)
    with connected(cluster.address) if cluster.use else nullcontext() as ray:
        cores = int(ray.cluster_resources().get("CPU", 1)) if ray else 1
        found = tuning.search(
            evaluate,
            trials=options.trials,
            parallel=options.parallel or cores,
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
        test = features_of(base, data.test, "test", extraction, calibration=calibration, progress=progress)
        head, _ = trained_head(best.parameters, train, classes, epochs=epochs, seed=seed)
        judged = accuracy(head, test)
    return Tuned(found, best, judged)


def evaluate_head(
    parameters: dict[str, Any], *, train: FeatureSet, valid: FeatureSet, classes: int, epochs: int, seed: int
) -> float:
    """Return the validation accuracy of a head that is trained with these parameters, after the last epoch."""
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
) -> tuple[nn.Sequential, History]:
    """Train a head with parameters of the search on the CPU, and return (head, history).

    Args:
        parameters: The value of each hyper-parameter, by its name.
        train, valid: The features to train on and to validate with; None validates nothing.
        classes: The number of classes.
        epochs: How many epochs.
        seed: Of the head's first weights and of the training.
    """
    torch.manual_seed(seed)
    head = make_head(train.features.shape[1], classes, hidden=tuning.HEADS[parameters["head"]])
    options = FitOptions(
        epochs=epochs,
        optimizer=parameters["optimizer"],
        lr=parameters["lr"],
        weight_decay=parameters["weight_decay"],
        schedule=parameters["schedule"],
        device="cpu",
        seed=seed,
    )
    return head, train_head(head, train, valid, options)
