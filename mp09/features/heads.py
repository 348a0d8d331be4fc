"""Heads that are trained on features: linear or with hidden layers by gradient descent, or logistic regression."""

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from mp09.errors import FeatureError
from mp09.features.featureset import FeatureSet
from mp09.training.batches import Batches
from mp09.training.fit import Watch, fit
from mp09.training.history import History
from mp09.training.optim import class_logits

BATCH_SIZE = 512


def train_head(
    head: nn.Module,
    train: FeatureSet,
    valid: FeatureSet | None = None,
    *,
    epochs: int = 10,
    batch_size: int = BATCH_SIZE,
    valid_batch_size: int = 4 * BATCH_SIZE,
    optimizer: str = "adamw",
    lr: float = 3e-3,
    weight_decay: float = 0.01,
    schedule: str = "one-cycle",
    label_smoothing: float = 0.0,
    patience: int | None = None,
    seed: int = 0,
    device: str = "auto",
    folder: Path | None = None,
    card: dict | None = None,
    watch: Watch | None = None,
) -> History:
    """Train a head (N, D) -> (N, classes) in place, in float32. Arguments and errors as `fit`."""
    return fit(
        head,
        _batches(train, batch_size, shuffle=True),
        valid and _batches(valid, valid_batch_size),
        epochs=epochs,
        optimizer=optimizer,
        lr=lr,
        weight_decay=weight_decay,
        schedule=schedule,
        label_smoothing=label_smoothing,
        patience=patience,
        precision="float32",
        seed=seed,
        device=device,
        folder=folder,
        card=card,
        watch=watch,
    )


def _batches(found: FeatureSet, batch_size: int, *, shuffle: bool = False) -> Batches:
    features = np.array(found.features) if not found.features.flags.writeable else found.features
    return Batches(torch.from_numpy(features), torch.from_numpy(found.labels), batch_size, shuffle=shuffle)


def logistic_regression(train: FeatureSet, classes: int, *, c: float = 0.1, max_iter: int = 200) -> nn.Linear:
    """Scale the features, fit scikit-learn's logistic regression, and give both as one linear layer (D -> classes).

    c: the inverse strength of regularisation.
    Raises FeatureError when a class has no pictures.
    """
    absent = sorted(set(range(classes)) - set(train.labels.tolist()))
    if absent:
        raise FeatureError(f"logistic regression: no pictures of class {', '.join(map(str, absent))}.")
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
    """float32 (N, classes), rows that add up to 1; two classes where the head gives one logit."""
    device = next(head.parameters()).device
    head.eval()
    rows = [class_logits(head(x.to(device))).softmax(dim=1).cpu() for x, _ in _batches(found, 4 * BATCH_SIZE)]
    return torch.cat(rows).numpy()


def accuracy(head: nn.Module, found: FeatureSet) -> float:
    """The share of pictures whose class is the likeliest, 0..1."""
    return float((probabilities_of(head, found).argmax(axis=1) == found.labels).mean())
