"""The lecture's `trainer`: one line an epoch, four lists at the end."""

from collections.abc import Iterable

import torch
from torch import nn

from mp09.training.fit import fit
from mp09.training.history import History, line


def trainer(
    model: nn.Module,
    criterion,
    optimizer: torch.optim.Optimizer,
    trainloader: Iterable,
    validloader: Iterable,
    epochs: int = 5,
    verbose: bool = True,
    *,
    device: str | None = None,
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Train a model; see `fit`, of which this is the short form for ready-made parts. Random by `torch.manual_seed`.

    Args:
        criterion: takes (outputs, labels), e.g. `nn.CrossEntropyLoss()`, or `nn.BCEWithLogitsLoss()` with one logit.
        verbose: print one line an epoch.
        device: "cpu", "cuda" or "mps"; the fastest one when left out.

    Returns:
        (train_losses, valid_losses, train_accuracies, valid_accuracies), one number an epoch, means over pictures.
    """

    def loss(outputs, labels):
        if isinstance(criterion, nn.BCEWithLogitsLoss):
            return criterion(outputs.flatten(), labels.float())
        return criterion(outputs, labels)

    def show(history: History, batch: int, batches: int) -> None:
        if verbose and batch == 0:
            print(line(history[-1]))

    history = fit(
        model,
        trainloader,
        validloader,
        epochs=epochs,
        optimizer=optimizer,
        schedule="constant",
        loss=loss,
        precision="float32",
        seed=int(torch.randint(2**31, ())),
        device=device or "auto",
        watch=show,
    )
    columns = ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy")
    return tuple(history.column(name) for name in columns)
