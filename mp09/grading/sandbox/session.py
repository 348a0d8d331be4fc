"""Keep what lives between the requests to a worker: the submission, its trained model, and the seed."""

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import nn

from mp09.grading.sandbox.isolation import Confined
from mp09.grading.sandbox.plain_values import Refused


class Session:
    """Keeps what lives between requests.

    Attributes:
        seed: Seed for the random numbers of every request.
        isolation: What isolation is in force.
        module: The submitted.py; there is none before `load`.
        model: The trained model; there is none before `train`.
    """

    module: ModuleType
    model: nn.Module

    def __init__(self, seed: int, isolation: Confined):
        self.seed = seed
        self.isolation = isolation

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
