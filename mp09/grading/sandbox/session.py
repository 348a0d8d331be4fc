"""Keep what lives between the requests to a worker: the submission, its trained model, and the seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from mp09.grading.sandbox.isolation import Confined
from mp09.grading.sandbox.plain_values import Refused
from mp09.grading.sandbox.training_watch import TrainingWatch


@dataclass(frozen=True)
class Norm:
    """Holds the tensors of one BatchNorm layer of the checkpoint, float32 (C,)."""

    weight: torch.Tensor
    bias: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    def restore(self, module: nn.Module) -> bool:
        """Give a module these running statistics if it is this layer, and return whether it is.

        It is when its weights are these, up to the rounding of a smaller type.
        """
        if not isinstance(module, nn.BatchNorm2d) or module.running_mean is None or module.running_var is None:
            return False
        for own, true in ((module.weight, self.weight), (module.bias, self.bias)):
            if (
                own is None
                or own.shape != true.shape
                or not torch.allclose(own.detach().float().cpu(), true, rtol=1e-2, atol=1e-3)
            ):
                return False
        module.running_mean.copy_(self.mean)
        module.running_var.copy_(self.variance)
        return True


class Session:
    """Keeps what lives between requests.

    Attributes:
        seed: Seed for the random numbers of every request.
        isolation: What isolation is in force.
        module: The submitted.py; there is none before `load`.
        model: The trained model; there is none before `train`.
        norms: The checkpoint's BatchNorm layers, as they were before the submission was loaded.
        watch: Watches the submission's training.
    """

    module: ModuleType
    model: nn.Module

    def __init__(self, seed: int, isolation: Confined):
        self.seed = seed
        self.isolation = isolation
        self.norms: list[Norm] = []
        self.watch = TrainingWatch()

    def reseed(self) -> None:
        """Give a request the same random numbers, whatever came before it."""
        random.seed(self.seed)
        np.random.seed(self.seed)  # noqa: NPY002 (submissions use the global generator)
        torch.manual_seed(self.seed)

    def function(self, name: str) -> Callable[..., Any]:
        """Return a function of the submission, or raise Refused when it has none of this name."""
        if not callable(found := getattr(self.module, name, None)):
            raise Refused("missing", f"submitted.py defines no function {name}")
        return found

    def models_in_use(self) -> list[nn.Module]:
        """List the trained model, and models that it may use without having registered them.

        Such models lie in lists, tuples, dicts and attributes of modules, or are global in submitted.py.
        """
        known: dict[int, nn.Module | None] = {id(self.model): self.model}
        waiting: list[Any] = [self.model, *vars(self.module).values()]
        while waiting:
            value = waiting.pop()
            if isinstance(value, (list, tuple)):
                waiting += [item for item in value[:100] if isinstance(item, nn.Module)]
            elif isinstance(value, dict):
                waiting += [item for item in list(value.values())[:100] if isinstance(item, nn.Module)]
            elif isinstance(value, nn.Module) and (value is self.model or id(value) not in known):
                known[id(value)] = value
                parts = {id(part): part for part in nn.Module.modules(value)}
                hidden = [item for part in parts.values() for item in vars(part).values() if id(item) not in parts]
                waiting += [item for item in hidden if isinstance(item, (list, tuple, dict, nn.Module))]
                for part in parts:
                    known.setdefault(part, None)
        return [model for model in known.values() if model is not None]
