"""How a model is trained: the choices that belong together, with their defaults, in one record."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mp09.errors import TrainingError
from mp09.precision import AUTO, PRECISIONS

if TYPE_CHECKING:  # the help of commands shows these defaults, and does not wait for PyTorch
    import torch
    from torch import nn

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("one-cycle", "cosine", "constant")


@dataclass(frozen=True)
class FitOptions:
    """Says how a model is trained; every command, lab and function takes its defaults from here.

    AdamW is that of Loshchilov and Hutter (2019), and the one-cycle schedule that of Smith and Topin (2017).

    Attributes:
        epochs: How many epochs in all. Those of a run that is continued are included, and with a constant schedule
            it may be given more of them than before.
        optimizer: "adamw", "adam" or "sgd" (Nesterov, momentum 0.9); or an optimizer of PyTorch that is ready to use,
            whose own learning rate and weight decay then hold. The one-cycle schedule moves the momentum, too: see
            `make_schedule`.
        lr: The learning rate; with the one-cycle schedule its peak.
        weight_decay: The weight decay of weights. Biases and normalisations are spared.
        schedule: "one-cycle", "cosine" or "constant"; the learning rate changes after every step.
        label_smoothing: Of the default loss while the model learns, 0 or more and below 1. Validation goes without.
        patience: Stop after this many epochs without a better validation accuracy; None never stops early.
        precision: "float32" or "bfloat16". "auto" means what MP09_PRECISION says, or else bfloat16 where the device
            has arithmetic for it. Of several processes all compute in bfloat16, or none does.
        device: "auto" for the fastest one, "cpu", "cuda", "cuda:1" or "mps".
        seed: Of everything that is random, from 0 on.
    """

    epochs: int = 10
    optimizer: "str | torch.optim.Optimizer" = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.01
    schedule: str = "one-cycle"
    label_smoothing: float = 0.0
    patience: int | None = None
    precision: str = AUTO
    device: str = AUTO
    seed: int = 0

    def check(self, model: "nn.Module", batches: int) -> None:
        """Raise TrainingError, with everything that is wrong about these options, the model and the batches."""
        rules = {
            "epochs": (self.epochs, self.epochs >= 1, "1 or more"),
            "lr": (self.lr, self.lr > 0, "above 0"),
            "weight_decay": (self.weight_decay, self.weight_decay >= 0, "0 or more"),
            "label_smoothing": (self.label_smoothing, 0 <= self.label_smoothing < 1, "0 or more and below 1"),
            "patience": (self.patience, self.patience is None or self.patience >= 1, "1 or more"),
            "precision": (self.precision, self.precision in PRECISIONS, " or ".join(PRECISIONS)),
            "schedule": (self.schedule, self.schedule in SCHEDULES, " or ".join(SCHEDULES)),
            "optimizer": (self.optimizer, _is_known(self.optimizer), " or ".join(OPTIMIZERS)),
            "batches": (batches, batches >= 1, "1 or more"),
        }
        wrong = [f"{name}: expected {rule}, got {value!r}" for name, (value, holds, rule) in rules.items() if not holds]
        if not any(parameter.requires_grad for parameter in model.parameters()):
            wrong.append("model: expected parameters that learn, got none (all are frozen)")
        if wrong:
            raise TrainingError("; ".join(wrong) + ".")


def _is_known(optimizer: "str | torch.optim.Optimizer") -> bool:
    return not isinstance(optimizer, str) or optimizer in OPTIMIZERS
