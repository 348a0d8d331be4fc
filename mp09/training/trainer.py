"""Offers the lecture's `trainer`, which prints one line for each epoch and returns four lists."""

import torch
from torch import Tensor, nn

from mp09.training.batches import Loader
from mp09.training.fit import fit
from mp09.training.history import History
from mp09.training.optim import Loss
from mp09.training.options import FitOptions


def trainer(
    model: nn.Module,
    criterion: Loss,
    optimizer: torch.optim.Optimizer,
    trainloader: Loader,
    validloader: Loader,
    epochs: int = 5,
    verbose: bool = True,
    *,
    device: str | None = None,
) -> tuple[list[float], list[float], list[float], list[float]]:
    """Train a model in place. This is the short form of `fit` for parts that are ready to use.

    Its arguments and results are those of the `trainer` in the course's lecture. It computes in float32 with a constant
    learning rate, and what is random depends on `torch.manual_seed`.

    Args:
        model: The model.
        criterion: Takes (outputs, labels), e.g. `nn.CrossEntropyLoss()`, or `nn.BCEWithLogitsLoss()` with one logit.
        optimizer: Changes the parameters of the model.
        trainloader, validloader: Sized iterables of batches (x, y), such as a DataLoader.
        epochs: How many epochs.
        verbose: Whether to print one line for each epoch.
        device: "cpu", "cuda" or "mps"; the fastest one when left out.

    Returns:
        (train_losses, valid_losses, train_accuracies, valid_accuracies), each with one number for each epoch. The
        numbers are means over images.

    Raises:
        TrainingError, DeviceError: As from `fit`.
    """

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        if isinstance(criterion, nn.BCEWithLogitsLoss):
            return criterion(outputs.flatten(), labels.float())
        return criterion(outputs, labels)

    def show(history: History, batch: int, batches: int) -> None:
        if verbose and batch == 0:
            print(history.line())

    options = FitOptions(
        epochs=epochs,
        optimizer=optimizer,
        schedule="constant",
        precision="float32",
        device=device or "auto",
        seed=int(torch.randint(2**31, ())),
    )
    history = fit(model, trainloader, validloader, options, loss=loss, watch=show)
    return (
        history.column("train_loss"),
        history.column("valid_loss"),
        history.column("train_accuracy"),
        history.column("valid_accuracy"),
    )
