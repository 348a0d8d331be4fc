"""What goes from actor to actor: numbers, names, and ids of arrays in improv's store. Times are time.monotonic()'s."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Group:
    """Frames of one size, one after the other; or one that can't be read.

    first: number of the first one, from 0
    names: of the files
    labels: what the pictures are said to show; None where nothing is said
    started: when reading each began
    error: why the only frame can't be read; empty elsewhere
    images: id of uint8 (N, H, W, 3), planes R, G, B; None where there is an error
    sent: when they were handed on
    """

    first: int
    names: tuple[str, ...]
    labels: tuple[str | None, ...]
    started: tuple[float, ...]
    error: str
    images: Any
    sent: float


@dataclass(frozen=True)
class Answer:
    """What a network says of a group.

    processor: the actor
    top: for each frame the likeliest classes, the likeliest first: (index, name, probability 0..1)
    right: for each frame whether the likeliest is what it is said to show; None where the network knows no such class
    features: id of float32 (N, D); None where the group has an error
    sent: when it was handed on
    """

    group: Group
    processor: str
    top: list[list[tuple[int, str, float]]]
    right: list[bool | None]
    features: Any
    sent: float
