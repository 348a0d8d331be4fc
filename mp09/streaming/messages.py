"""The messages from actor to actor: numbers, names, and ids of arrays in improv's store.

All times are those of time.monotonic(), in seconds.
"""

from dataclasses import dataclass

Likeliest = list[tuple[int, str, float]]  # the likeliest classes of one image


@dataclass(frozen=True)
class Group:
    """A group holds N successive frames whose images have one size, or a single frame that can't be read.

    Attributes:
        first: the number of the first frame, counted from 0.
        names: the names of the files.
        labels: the images' labels; None for an image without one.
        started: when reading each image began.
        error: why the only frame can't be read; empty otherwise.
        images: the id of an array uint8 (N, H, W, 3), planes R, G, B; None where there is an error.
        sent: when the acquirer handed the group on.
    """

    first: int
    names: tuple[str, ...]
    labels: tuple[str | None, ...]
    started: tuple[float, ...]
    error: str
    images: object
    sent: float


@dataclass(frozen=True)
class Answer:
    """An answer holds what a model predicts for a group.

    Attributes:
        group: the group that is answered.
        processor: the name of the actor that answers.
        top: for each frame its likeliest classes (index, name, probability 0 to 1), the likeliest first.
        right: for each frame whether its likeliest class is its label; None where the model knows no such class.
        features: the id of an array float32 (N, D); None where the group has an error.
        sent: when the processor handed the answer on.
    """

    group: Group
    processor: str
    top: list[Likeliest]
    right: list[bool | None]
    features: object
    sent: float
