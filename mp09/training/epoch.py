"""Trains a model for one epoch and validates it, as one of the processes that train together."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MeanMetric

from mp09.device import seed_everything
from mp09.training import parallel
from mp09.training.batches import Loader, generator_of
from mp09.training.history import History
from mp09.training.optim import Loss, predictions

# Called with (history so far, batch, batches) after every training batch, and with batch 0 after every epoch.
WatchTraining = Callable[[History, int, int], None]
Augmentation = Callable[[Tensor], Tensor]


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
        raise NotANumber(where)


def _seed_epoch(train: Loader, seed: int) -> None:
    seed_everything(seed)
    if (generator := generator_of(train)) is not None:
        generator.manual_seed(seed)
