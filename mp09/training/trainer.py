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
        model: Maps x to logits float (N, classes), or (N,) or (N, 1) for two classes. It is in eval mode afterwards.
        criterion: Takes (outputs, labels) and returns the mean over the batch, e.g. `nn.CrossEntropyLoss()`, or
            `nn.BCEWithLogitsLoss()` with one logit.
        optimizer: Changes the parameters of the model, with a learning rate of its own.
        trainloader, validloader: Sized iterables of batches (x, y), such as a DataLoader: x is what the model takes,
            and y are class numbers int64 (N,).
        epochs: How many epochs, by default 5.
        verbose: Whether to print one line for each epoch, which is the default.
        device: "cpu", "cuda", "cuda:1" or "mps"; the fastest one when left out.

    Returns:
        (train_losses, valid_losses, train_accuracies, valid_accuracies), each with one number for each epoch. The
        numbers are means over samples, and accuracies are 0 to 1. Those of training are of the model as it was while
        the epoch went on.

    Raises:
        TrainingError: `epochs` is below 1, no parameter learns, there are no batches, or a loss is not a number.
        DeviceError: There is no such device.
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
