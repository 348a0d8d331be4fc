"""Defines the record that says which model a learning command takes."""

from dataclasses import dataclass

from mp09.nets.ours import OURS


@dataclass(frozen=True)
class ModelOptions:
    """Says which model, with which weights, which head, and how much of it learns.

    Attributes:
        name: "resnet18-32", the course's, or any classifier of torchvision.
        weights: "default", a name of torchvision's weights, a checkpoint's path, or "none" for random numbers.
        hidden: The sizes of the head's hidden layers; none make it one linear layer.
        dropout: The share of numbers that is dropped before each layer of the head but the first, 0 or more, below 1.
        learn: How many of the backbone's last blocks learn besides the head, or "all".
    """

    name: str = OURS
    weights: str = "default"
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    learn: int | str = 0
