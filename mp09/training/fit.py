"""The training loop: any model, any batches, one device or several.

    options = FitOptions(epochs=5)
    history = fit(model, Batches(images, labels, 64, shuffle=True), Batches(*valid, 256), options, folder=Path("run"))

Run it again with the same folder, and it continues where it stopped. Each epoch starts from random states of its own,
made of the seed and the epoch's number, so that no random state has to be kept; model, optimizer, schedule and history
are. (The random states of a DataLoader's persistent workers are the exception: let `augment` make the random changes,
or do without persistent workers.)
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric

from mp09.device import choose_device, fast_dtype, seed_everything
from mp09.errors import TrainingError
from mp09.precision import AUTO, BFLOAT16
from mp09.training import checkpoint, parallel
from mp09.training.batches import Loader, Shard, generator_of
from mp09.training.history import History
from mp09.training.optim import Loss, make_loss, make_optimizer, make_schedule, predictions
from mp09.training.options import FitOptions

# Called with (history so far, batch, batches) after every training batch, and with batch 0 after every epoch.
WatchTraining = Callable[[History, int, int], None]
Augmentation = Callable[[Tensor], Tensor]


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
        losses = _Losses(loss or make_loss(options.label_smoothing), loss or make_loss(0.0))
        loop = _Loop(model, optimizer, rates, losses, augment, device, dtype, rank, size)
        if size > 1:
            train, valid = Shard(train, rank, size), valid and Shard(valid, rank, size)
        while len(history) < options.epochs and not _is_stuck(history, options.patience):
            try:
                history.append(loop.epoch(train, valid, history, options.seed, watch))
            except _NotANumber as error:
                raise _no_number(str(error), history, folder) from error
            if folder and rank == 0:
                checkpoint.save(folder, model, optimizer, rates, history=history, settings=settings, card=card)
            if watch and rank == 0:
                watch(history, 0, len(train))
        if size > 1:
            parallel.wait_for_all()  # the first process has written its checkpoint then
    model.eval()
    return history


class _NotANumber(Exception):  # noqa: N818 (an event that `fit` puts into words)
    """The loss or the weights became infinite or NaN; the message says in which batch."""


@dataclass(frozen=True)
class _Losses:
    """The loss while the model learns, and the one of validation, which goes without label smoothing."""

    train: Loss
    valid: Loss


@dataclass
class _Loop:
    """One process's part of a run: it goes through batches, and makes a step after each while the model learns."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    rates: LRScheduler
    losses: _Losses
    augment: Augmentation | None
    device: torch.device
    dtype: torch.dtype
    rank: int
    size: int

    def __post_init__(self) -> None:
        self._stepped = self.model if self.size == 1 else parallel.wrap(self.model, self.device)

    def epoch(
        self, train: Loader, valid: Loader | None, history: History, seed: int, watch: WatchTraining | None
    ) -> dict[str, float]:
        """Train for one epoch, validate, and return the epoch's record."""
        started = time.perf_counter()
        seed = (seed * 1_000_003 + len(history)) % 2**62
        _seed_epoch(train, seed)
        row = {"epoch": len(history) + 1, "lr": self.optimizer.param_groups[0]["lr"]}
        row["train_loss"], row["train_accuracy"] = self._learn(train, history, seed, watch)
        if valid is not None:
            row["valid_loss"], row["valid_accuracy"] = self._validate(valid)
        return {**row, "seconds": time.perf_counter() - started}

    def _learn(self, batches: Loader, history: History, seed: int, watch: WatchTraining | None) -> tuple[float, float]:
        self._stepped.train()
        means = _Means(self.device)
        for number, (x, y) in enumerate(batches, 1):
            if self.size > 1 and number == 1:  # the order is chosen by now, the same for all processes
                seed_everything(seed + 1 + self.rank)
            x, y = self._moved(x, y)
            outputs, value = self._forward(self.augment(x) if self.augment else x, y, self.losses.train)
            _check_finite(value, f"training batch {number}")
            # Processes average their gradients, so each one's is weighed by its part of the batch.
            weight = len(y) * self.size / parallel.total(len(y), self.device) if self.size > 1 else 1
            self.optimizer.zero_grad()
            (value * weight).backward()
            self.optimizer.step()
            self.rates.step()
            means.add(value, outputs, y)
            if watch and self.rank == 0:
                watch(history, number, len(batches))
        for parameter in self.model.parameters():
            _check_finite(parameter, "the last training batch")
        return means.compute()

    def _validate(self, batches: Loader) -> tuple[float, float]:
        self._stepped.eval()
        means = _Means(self.device)
        with torch.no_grad():
            for number, (x, y) in enumerate(batches, 1):
                x, y = self._moved(x, y)
                outputs, value = self._forward(x, y, self.losses.valid)
                _check_finite(value, f"validation batch {number}")
                means.add(value, outputs, y)
        return means.compute()

    def _moved(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)

    def _forward(self, x: Tensor, y: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        """Return the outputs and the loss of a batch."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            outputs = self._stepped(x)
        return outputs, loss(outputs.float(), y)


class _Means:
    """The mean loss and accuracy over images, of all processes."""

    def __init__(self, device: torch.device):
        self._losses, self._hits = MeanMetric().to(device), MeanMetric().to(device)

    def add(self, value: Tensor, outputs: Tensor, labels: Tensor) -> None:
        self._losses.update(value.detach(), len(labels))
        self._hits.update((predictions(outputs) == labels).float().mean(), len(labels))

    def compute(self) -> tuple[float, float]:
        return self._losses.compute().item(), self._hits.compute().item()


def _check_finite(value: Tensor, where: str) -> None:
    if not (math.isfinite(value.item()) if value.ndim == 0 else value.isfinite().all()):
        raise _NotANumber(where)


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
    """Return the name of a function, or of something's class, for a checkpoint."""
    return None if thing is None else getattr(thing, "__qualname__", type(thing).__qualname__)


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


def _seed_epoch(train: Loader, seed: int) -> None:
    seed_everything(seed)
    if (generator := generator_of(train)) is not None:
        generator.manual_seed(seed)


def _is_stuck(history: History, patience: int | None) -> bool:
    return patience is not None and history.epochs_since_best() >= patience


def _no_number(where: str, history: History, folder: Path | None) -> TrainingError:
    kept = f"The checkpoint of epoch {len(history)} in {folder} is good. " if folder and history else ""
    return TrainingError(
        f"Epoch {len(history) + 1}, {where}: the loss or the weights are no numbers any more (NaN or infinite). {kept}"
        "Use a smaller learning rate, or float32."
    )
