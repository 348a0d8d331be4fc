"""Defines the search space of a head's hyper-parameters, and the record of a trial in it."""

from dataclasses import dataclass
from typing import Any

METRIC = "accuracy"
HEADS = {"linear": (), "128": (128,), "512": (512,)}  # the sizes of the hidden layers, by the name of the head
CHOICES = {"head": list(HEADS), "optimizer": ["adamw", "sgd"], "schedule": ["one-cycle", "cosine"]}
RANGES = {"lr": (1e-4, 1e-1), "weight_decay": (1e-5, 1e-1)}  # both are searched on a logarithmic scale


@dataclass(frozen=True)
class Trial:
    """Represents one trial of a search.

    Attributes:
        number: Counts from 1, in the order in which trials end.
        parameters: The value of each hyper-parameter, by its name.
        accuracy: On the validation images, 0 to 1; None when training failed.
        seconds: The time from its start to its end.
        error: Why training failed; "" when it did not.
    """

    number: int
    parameters: dict[str, Any]
    accuracy: float | None
    seconds: float
    error: str = ""
