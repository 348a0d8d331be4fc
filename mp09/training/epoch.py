"""Trains a model for one epoch and validates it, as one of the processes that train together."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from mp09.device import seed_everything
from mp09.training import parallel
from mp09.training.batches import Loader, generator_of
from mp09.training.history import History
from mp09.training.optim import Loss, predictions

# Called with (history so far, batch, batches) after every training batch, and with batch 0 after every epoch.
WatchTraining = Callable[[History, int, int], None]
Augmentation = Callable[[Tensor], Tensor]
BETWEEN_RANKS = 0x9E3779B97F4A7C15  # from one process's seed to the next, also in the 32 bits that NumPy takes


class NotANumber(Exception):  # noqa: N818 (an event that `fit` puts into words)
    """The loss or the weights became infinite or NaN; the message says in which batch."""


@dataclass(frozen=True)
class Losses:
    """The loss while the model learns, and the one of validation, which goes without label smoothing."""

    train: Loss
    valid: Loss


@dataclass
class EpochLoop:
    """One process's part of a run: it goes through batches, and makes a step after each while the model learns."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    rates: LRScheduler
    losses: Losses
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
                seed_everything((seed + (1 + self.rank) * BETWEEN_RANKS) % 2**62)
            x, y = self._moved(x, y)
            outputs, value = self._forward(self._stepped, self.augment(x) if self.augment else x, y, self.losses.train)
            means.add(outputs, value, y, f"training batch {number}")
            # Processes average their gradients, so each one's is weighed by its part of the batch.
            weight = len(y) * self.size / parallel.totals([len(y)], self.device)[0] if self.size > 1 else 1
            self.optimizer.zero_grad()
            (value * weight).backward()
            self.optimizer.step()
            self.rates.step()
            if watch and self.rank == 0:
                watch(history, number, len(batches))
        if not all(parameter.isfinite().all() for parameter in self.model.parameters()):
            raise NotANumber("the last training batch")
        return means.compute(self.size)

    def _validate(self, batches: Loader) -> tuple[float, float]:
        """Judge the model itself, without waiting for other processes, which may have fewer batches."""
        self._stepped.eval()
        if self.size > 1:
            parallel.take_buffers(self.model)
        means = _Means(self.device)
        with torch.no_grad():
            for number, (x, y) in enumerate(batches, 1):
                x, y = self._moved(x, y)
                means.add(*self._forward(self.model, x, y, self.losses.valid), y, f"validation batch {number}")
        return means.compute(self.size)

    def _moved(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return x.to(self.device, non_blocking=True), y.to(self.device, non_blocking=True)

    def _forward(self, model: nn.Module, x: Tensor, y: Tensor, loss: Loss) -> tuple[Tensor, Tensor]:
        """Return the outputs and the loss of a batch."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            outputs = model(x)
        return outputs, loss(outputs.float(), y)


class _Means:
    """The mean loss and accuracy over images, of all processes."""

    def __init__(self, device: torch.device):
        self._device = device
        self._loss, self._images, self._hits = 0.0, 0, torch.zeros((), dtype=torch.int64, device=device)

    def add(self, outputs: Tensor, value: Tensor, labels: Tensor, where: str) -> None:
        """Add a batch's outputs, mean loss and labels. Raises NotANumber, with `where`, when that loss is none."""
        loss = value.item()
        if not math.isfinite(loss):
            raise NotANumber(where)
        self._loss += loss * len(labels)
        self._images += len(labels)
        self._hits += (predictions(outputs) == labels).sum()

    def compute(self, size: int) -> tuple[float, float]:
        sums = [self._loss, float(self._hits), float(self._images)]
        loss, hits, images = sums if size == 1 else parallel.totals(sums, self._device)
        return loss / (images or math.nan), hits / (images or math.nan)


def _seed_epoch(train: Loader, seed: int) -> None:
    seed_everything(seed)
    if (generator := generator_of(train)) is not None:
        generator.manual_seed(seed)
