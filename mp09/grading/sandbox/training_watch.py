"""Watch a submission's training from outside: how many steps there were, and what became of the loss.

Nothing is changed by that. The facts support what the grader says about a head that has not learned enough.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, ExitStack
from itertools import chain
from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from mp09.grading.sandbox.conversation import TrainingFacts

SHARE = 10  # the losses at the beginning and at the end are means over this part of all: a tenth
LOSSES_LIMIT = 100_000  # losses that are kept


class TrainingWatch(AbstractContextManager["TrainingWatch"]):
    """Counts optimizer steps and keeps losses while the submission's code runs inside; it may be entered repeatedly."""

    def __init__(self) -> None:
        self._steps = self._without_gradient = 0
        self._losses: list[Tensor] = []
        self._optimizer: Optimizer | None = None
        self._undo = ExitStack()

    def __enter__(self) -> TrainingWatch:
        backward = Tensor.backward

        def watched(loss: Tensor, *args: Any, **options: Any) -> None:
            if loss.numel() == 1 and len(self._losses) < LOSSES_LIMIT:
                self._losses.append(loss.detach())
            backward(loss, *args, **options)

        def put_back() -> None:
            if Tensor.backward is watched:  # the submission has not put another one in its place
                Tensor.backward = backward  # type: ignore[method-assign]

        Tensor.backward = watched  # type: ignore[method-assign, assignment]
        self._undo.callback(put_back)
        self._undo.callback(register_optimizer_step_pre_hook(self._step).remove)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._undo.close()

    def _step(self, optimizer: Optimizer, _args: Any, _options: Any) -> None:
        self._steps += 1
        self._optimizer = optimizer
        parameters = chain.from_iterable(group["params"] for group in optimizer.param_groups)
        self._without_gradient += all(parameter.grad is None for parameter in parameters)

    def facts(self, model: nn.Module, models: list[nn.Module], *, sums_to_one: bool, idle: float) -> TrainingFacts:
        """Return what is known about the training of the model that run_model() returned.

        Args:
            model: the returned model.
            models: this one, and models that it uses.
            sums_to_one: whether the outputs for an image are shares of 1.
            idle: the share of the last linear layer's inputs that are 0 for every image.
        """
        groups = self._optimizer.param_groups if self._optimizer else []
        trained = {id(parameter) for group in groups for parameter in group["params"]}
        losses = [float(loss) for loss in self._losses]
        tenth = max(1, len(losses) // SHARE)
        means = [sum(losses[i : i + tenth]) / tenth for i in range(0, len(losses) - tenth + 1, tenth)]
        linear = [module for module in nn.Module.modules(model) if isinstance(module, nn.Linear)]
        return TrainingFacts(
            steps=self._steps,
            without_gradient=self._without_gradient,
            optimizer=type(self._optimizer).__name__ if self._optimizer else "",
            rate=_finite(max((float(group.get("lr", 0.0)) for group in groups), default=None)),
            other_parameters=not any(id(parameter) in trained for used in models for parameter in used.parameters()),
            first_loss=_finite(losses[0] if losses else None),
            least_loss=_finite(min(means, default=None)),
            last_loss=_finite(means[-1] if means else None),
            untouched=bool(linear) and untouched(linear[-1]),
            largest_weight=_finite(max((float(module.weight.detach().abs().max()) for module in linear), default=0.0)),
            sums_to_one=sums_to_one,
            idle=idle,
        )


def untouched(layer: nn.Linear) -> bool:
    """Return whether a layer's weights look as nn.Linear makes them: uniform between -1/sqrt(in) and 1/sqrt(in)."""
    bound = layer.in_features**-0.5
    weight = layer.weight.detach().float()
    return bool(weight.abs().max() < 1.01 * bound) and abs(float(weight.std()) * 3**0.5 / bound - 1) < 0.05


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
