"""Optimizers, learning-rate schedules and losses by their names."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("one-cycle", "cosine", "constant")
MOMENTUM = 0.9

Loss = Callable[[Tensor, Tensor], Tensor]  # (outputs, labels) -> the batch's mean


def make_optimizer(name: str, model: nn.Module, *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """An optimizer of the parameters that learn; weight decay spares biases and normalisations (one-dimensional)."""
    learning = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=MOMENTUM, nesterov=True)
    return {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[name](groups, lr=lr)


def make_schedule(name: str, optimizer: torch.optim.Optimizer, *, steps: int) -> LRScheduler:
    """A schedule stepped after every batch, `steps` times in all. One-cycle rises to the learning rate given."""
    if name == "one-cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=steps + 1)
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    return ConstantLR(optimizer, factor=1.0)


def make_loss(label_smoothing: float) -> Loss:
    """Cross-entropy on logits (N, classes), or its binary form on one logit (N, 1) or (N,)."""

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        if is_binary(outputs):
            targets = labels * (1 - label_smoothing) + label_smoothing / 2
            return F.binary_cross_entropy_with_logits(outputs.flatten(), targets.to(outputs.dtype))
        return F.cross_entropy(outputs, labels, label_smoothing=label_smoothing)

    return loss


def is_binary(outputs: Tensor) -> bool:
    return outputs.ndim == 1 or outputs.shape[1] == 1


def class_logits(outputs: Tensor) -> Tensor:
    """Logits (N, classes); one logit z becomes (0, z), whose softmax is the sigmoid of z."""
    return F.pad(outputs.reshape(-1, 1), (1, 0)) if is_binary(outputs) else outputs


def predictions(outputs: Tensor) -> Tensor:
    """Class numbers (N,): the largest logit, or for one logit whether it is above 0."""
    return class_logits(outputs).argmax(dim=1)
