"""The training loop: any model, any batches, one device or several.

    options = FitOptions(epochs=5)
    history = fit(model, Batches(images, labels, 64, shuffle=True), Batches(*valid, 256), options, folder=Path("run"))

Run it again with the same folder, and it continues where it stopped. Each epoch starts from random states of its own,
made of the seed and the epoch's number, so that no random state has to be kept; model, optimizer, schedule and history
are. (The random states of a DataLoader's persistent workers are the exception: let `augment` make the random changes,
or do without persistent workers.)
"""

import json
from functools import partial
from pathlib import Path
from types import CellType
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from mp09.device import choose_device, fast_dtype
from mp09.errors import TrainingError
from mp09.precision import AUTO, BFLOAT16
from mp09.training import checkpoint, parallel
from mp09.training.batches import Loader, Shard
from mp09.training.epoch import Augmentation, EpochLoop, Losses, NotANumber, WatchTraining
from mp09.training.history import History
from mp09.training.optim import Loss, make_loss, make_optimizer, make_schedule
from mp09.training.options import FitOptions


def fit(
    model: nn.Module,
    train: Loader,
    valid: Loader | None = None,
    options: FitOptions = FitOptions(),
    *,
    loss: Loss | None = None,
    augment: Augmentation | None = None,
    folder: Path | None = None,
    card: dict[str, Any] | None = None,
    watch: WatchTraining | None = None,
) -> History:
    """Train a model in place; afterwards it holds the last epoch's weights and is in eval mode.

    Args:
        model: The model; only parameters that require a gradient are trained.
        train: Gives batches (x, y), where x is what the model takes, and y are class numbers int64 (N,). See `Batches`.
        valid: The same for validation, or None.
        options: Epochs, optimizer, learning rate and the like.
        loss: Takes (outputs, labels) and returns the mean over the batch. The default is cross-entropy, and its binary
            form for a model with one logit.
        augment: Applied to x of every training batch, on the device.
        folder: Where checkpoints are written. A run that is found there is continued.
        card: Plain values that are kept in the checkpoint, such as class names. A run continues only with the same.
        watch: Is told about progress.

    Returns:
        One record for each epoch, those of a continued run included: losses, accuracies (0 to 1), the learning rate and
        seconds. See `History`.

    Raises:
        TrainingError: Options are wrong (all are named at once), a loss is not a number, or a checkpoint is damaged,
            belongs to another run, or can't be written.
        DeviceError: There is no such device.
    """
    options.check(model, len(train))
    settings = _settings(options, loss=loss, augment=augment, batches=len(train))
    device = parallel.local_device(choose_device(options.device))
    model.to(device)
    optimizer = options.optimizer
    if isinstance(optimizer, str):
        optimizer = make_optimizer(optimizer, model, lr=options.lr, weight_decay=options.weight_decay)
    rates = make_schedule(options.schedule, optimizer, steps=options.epochs * len(train))
    card = _plain(card or {})
    with parallel.processes(device) as (rank, size):
        dtype = _dtype_for_all(options.precision, device, size)
        settings["precision"] = str(dtype)
        history = _continue(folder, settings, card, model, optimizer, rates)
        losses = Losses(loss or make_loss(options.label_smoothing), loss or make_loss(0.0))
        loop = EpochLoop(model, optimizer, rates, losses, augment, device, dtype, rank, size)
        if size > 1:
            train = Shard(train, rank, size, in_step=True)
            valid = Shard(valid, rank, size, in_step=False) if valid is not None else None
        while len(history) < options.epochs and not _is_stuck(history, options.patience):
            try:
                history.append(loop.epoch(train, valid, history, options.seed, watch))
            except NotANumber as error:
                raise _no_number(str(error), history, folder) from error
            if folder and rank == 0:
                checkpoint.save(folder, model, optimizer, rates, history=history, settings=settings, card=card)
            if watch and rank == 0:
                watch(history, 0, len(train))
        if size > 1:
            parallel.wait_for_all()  # the first process has written its checkpoint then
    model.eval()
    return history


def _dtype_for_all(precision: str, device: torch.device, size: int) -> torch.dtype:
    """Return what the model is computed in; bfloat16 only where all processes can."""
    forced = torch.bfloat16 if precision == BFLOAT16 else torch.float32
    dtype = fast_dtype(device) if precision == AUTO else forced
    if size > 1 and not parallel.for_all(dtype == torch.bfloat16, device):
        return torch.float32
    return dtype


def _settings(options: FitOptions, *, loss: Loss | None, augment: Augmentation | None, batches: int) -> dict[str, Any]:
    """Return the plain values that a run must share with the one that it continues, as they are before it begins."""
    settings = {
        "epochs": options.epochs,
        "optimizer": options.optimizer,
        "lr": options.lr,
        "weight_decay": options.weight_decay,
        "schedule": options.schedule,
        "loss": _name(loss),
        "label_smoothing": options.label_smoothing,
        "augment": _name(augment),
        "patience": options.patience,
        "precision": options.precision,
        "seed": options.seed,
        "batches": batches,
    }
    if not isinstance(options.optimizer, str):
        settings["optimizer"] = _name(options.optimizer)
        settings |= {key: options.optimizer.param_groups[0].get(key, 0) for key in ("lr", "weight_decay")}
    return settings


def _name(thing: object) -> str | None:
    """Return the name of a function, or of something's class, for a checkpoint.

    What a function was made with belongs to it, such as the 4 of `crop_and_flip(4)`.
    """
    if thing is None:
        return None
    if isinstance(thing, nn.Module):
        return repr(thing).removesuffix("()")
    if isinstance(thing, partial):
        return f"{_name(thing.func)} with {_described([*thing.args, *thing.keywords.items()])}"
    name = str(getattr(thing, "__qualname__", type(thing).__qualname__))
    cells = getattr(thing, "__closure__", None) or ()
    held = [value for cell in cells if (value := _content(cell)) is not None]
    return f"{name} with {_described(held)}" if held else name


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it has none yet
        return None


def _described(value: object) -> str:
    """Describe a value so that it reads the same in every process."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_described, value))}]"
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    return str(_name(value))


def _plain(card: dict[str, Any]) -> dict[str, Any]:
    """Return a card as a checkpoint gives it back, with lists for tuples."""
    try:
        return json.loads(json.dumps(card))
    except TypeError as error:
        raise TrainingError(f"card: expected plain values ({error}).") from error


def _continue(
    folder: Path | None,
    settings: dict[str, Any],
    card: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    rates: LRScheduler,
) -> History:
    """Return the history of the run in the folder, and put its state into model, optimizer and schedule."""
    if not folder or (state := checkpoint.load(folder)) is None:
        return History()
    then, now = {**state.settings, **state.card}, {**settings, **card}
    free = {"epochs"} if settings["schedule"] == "constant" else set()  # the others plan for all epochs
    differs = [key for key in {**then, **now} if key not in free and then.get(key) != now.get(key)]
    if differs:
        words = ", ".join(f"{key} {then.get(key)} (now {now.get(key)})" for key in differs)
        raise TrainingError(f"{folder}: holds a run with {words}. Give the same values, or another folder.")
    return checkpoint.restore(folder, state, model, optimizer, rates)


def _is_stuck(history: History, patience: int | None) -> bool:
    return patience is not None and history.epochs_since_best() >= patience


def _no_number(where: str, history: History, folder: Path | None) -> TrainingError:
    kept = f"The checkpoint of epoch {len(history)} in {folder} is good. " if folder and history else ""
    return TrainingError(
        f"Epoch {len(history) + 1}, {where}: the loss or the weights are no numbers any more (NaN or infinite). {kept}"
        "Use a smaller learning rate, or float32."
    )
