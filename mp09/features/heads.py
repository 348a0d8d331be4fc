"""Trains heads on features: with or without hidden layers by gradient descent, or by logistic regression."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from mp09.errors import FeatureError
from mp09.features.featureset import FeatureSet
from mp09.precision import FLOAT32
from mp09.training.batches import Batches
from mp09.training.epoch import WatchTraining
from mp09.training.fit import fit
from mp09.training.history import History
from mp09.training.optim import class_logits
from mp09.training.options import FitOptions

BATCH_SIZE = 512
AT_ONCE = 4 * BATCH_SIZE  # features that are judged at a time


def train_head(
    head: nn.Module,
    train: FeatureSet,
    valid: FeatureSet | None = None,
    options: FitOptions = FitOptions(),
    *,
    batch_size: int = BATCH_SIZE,
    valid_batch_size: int = AT_ONCE,
    folder: Path | None = None,
    card: dict[str, Any] | None = None,
    watch: WatchTraining | None = None,
) -> History:
    """Train a head in place. It computes in float32, whatever the options say of that.

    Args:
        head: Maps features float32 (N, D) to logits (N, classes).
        train, valid: The features to train on and to validate with; None validates nothing.
        options: Epochs, optimizer, learning rate and the like.
        batch_size, valid_batch_size: Features in a batch. The second changes no result.
        folder: Where checkpoints are written. A run that is found there is continued.
        card: Plain values that are kept in the checkpoint. A run continues only with the same.
        watch: Is told about progress, as by `fit`.

    Returns:
        One record for each epoch, as from `fit`, those of a continued run included.

    Raises:
        TrainingError: Options are wrong (all are named at once), a loss is not a number, or a checkpoint is damaged,
            belongs to another run, or can't be written.
        DeviceError: There is no such device.
    """
    return fit(
        head,
        _batches(train, batch_size, shuffle=True),
        None if valid is None else _batches(valid, valid_batch_size),
        replace(options, precision=FLOAT32),
        folder=folder,
        card=card,
        watch=watch,
    )


def _batches(found: FeatureSet, batch_size: int, *, shuffle: bool = False) -> Batches:
    features = np.array(found.features) if not found.features.flags.writeable else found.features
    return Batches(torch.from_numpy(features), torch.from_numpy(found.labels), batch_size, shuffle=shuffle)


def logistic_regression(train: FeatureSet, classes: int, *, c: float = 0.1, max_iter: int = 200) -> nn.Linear:
    """Scale features, fit scikit-learn's logistic regression to them, and return both as one linear layer.

    On the features of a frozen backbone, this is a linear probe (Alain and Bengio, 2016).

    Args:
        train: Features float32 (N, D) and labels int64 (N,), 0 to classes - 1.
        classes: The number of classes, which is that of the layer's outputs.
        c: The inverse strength of the L2 regularisation, by default 0.1.
        max_iter: How many iterations the solver may take, by default 200.

    Returns:
        A layer that maps features float32 (N, D), as they are, to logits (N, classes).

    Raises:
        FeatureError: A class has no images.
    """
    absent = sorted(set(range(classes)) - set(train.labels.tolist()))
    if absent:
        raise FeatureError(f"logistic regression: no images of class {', '.join(map(str, absent))}.")
    scaler = StandardScaler().fit(train.features)
    model = LogisticRegression(C=c, max_iter=max_iter).fit(scaler.transform(train.features), train.labels)
    weight, bias = model.coef_, model.intercept_
    if classes == 2:  # scikit-learn keeps one row for two classes: the logit of class 1
        weight, bias = np.concatenate([np.zeros_like(weight), weight]), np.concatenate([np.zeros_like(bias), bias])
    weight = weight / scaler.scale_
    bias = bias - weight @ scaler.mean_
    layer = nn.Linear(weight.shape[1], classes)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer


@torch.inference_mode()
def probabilities_of(head: nn.Module, found: FeatureSet) -> np.ndarray:
    """Return a head's probabilities float32 (N, classes), whose rows add up to 1; one logit gives two classes."""
    device = next(head.parameters()).device
    head.eval()
    # Features that are mapped into memory are read part by part.
    parts = (np.array(found.features[start : start + AT_ONCE]) for start in range(0, len(found), AT_ONCE))
    rows = [class_logits(head(torch.from_numpy(x).to(device))).softmax(dim=1).cpu() for x in parts]
    return torch.cat(rows).numpy()


def accuracy(head: nn.Module, found: FeatureSet) -> float:
    """Return the share of images whose true class is the likeliest one, 0 to 1."""
    return float((probabilities_of(head, found).argmax(axis=1) == found.labels).mean())
