"""Makes optimizers, learning-rate schedules and losses, and reads predictions from a model's outputs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

MOMENTUM = 0.9

Loss = Callable[[Tensor, Tensor], Tensor]  # maps (outputs, labels) to the mean loss over the batch


def make_optimizer(name: str, model: nn.Module, *, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Make an optimizer for all parameters of a model that require a gradient.

    Args:
        name: "adamw", "adam" or "sgd" (Nesterov, momentum 0.9, unless the schedule moves it).
        model: The model.
        lr: The learning rate.
        weight_decay: The weight decay of weights. Biases and normalisations, which have one dimension, are spared.
    """
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
    """Make a learning-rate schedule, which is to be stepped after every batch.

    Args:
        name: "one-cycle" rises to the optimizer's learning rate and then falls almost to 0, while PyTorch moves the
            momentum (Adam's first beta), if there is any, from 0.95 to 0.85 and back; "cosine" falls from that learning
            rate to 0; "constant" keeps it.
        optimizer: Its learning rate is changed.
        steps: How many steps there are in all.
    """
    if name == "one-cycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        has_momentum = all(group.get("momentum") or "betas" in group for group in optimizer.param_groups)
        return OneCycleLR(optimizer, peaks, total_steps=steps + 1, cycle_momentum=has_momentum)
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    return ConstantLR(optimizer, factor=1.0)


def make_loss(label_smoothing: float) -> Loss:
    """Return a loss: cross-entropy of logits (N, classes), or its binary form for one logit, (N, 1) or (N,).

    Args:
        label_smoothing: The share of each target that is spread evenly over all classes, 0 or more and below 1.
    """

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        if is_binary(outputs):
            targets = labels * (1 - label_smoothing) + label_smoothing / 2
            return F.binary_cross_entropy_with_logits(outputs.flatten(), targets.to(outputs.dtype))
        return F.cross_entropy(outputs, labels, label_smoothing=label_smoothing)

    return loss


def is_binary(outputs: Tensor) -> bool:
    """Return whether outputs are one logit for each sample, (N,) or (N, 1), and not one for each class."""
    return outputs.ndim == 1 or outputs.shape[1] == 1


def class_logits(outputs: Tensor) -> Tensor:
    """Return logits (N, classes). One logit z becomes (0, z), as their softmax gives class 1 the sigmoid of z."""
    return F.pad(outputs.reshape(-1, 1), (1, 0)) if is_binary(outputs) else outputs


def predictions(outputs: Tensor) -> Tensor:
    """Return class numbers (N,): that of the largest logit, or for one logit 1 where it is above 0, else 0."""
    return class_logits(outputs).argmax(dim=1)
