"""A network that says what is on a picture, and how sure it is."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mp09.device import synchronize
from mp09.errors import NetworkError

TOP = 5
WARM_UP = 3  # runs

# uint8 (N, 3, H, W), 0..255 -> float (N, classes), rows that add up to 1; on one device
Probabilities = Callable[[Tensor], Tensor]


class Guess(NamedTuple):
    """One class: its number among the outputs, its name, its probability 0..1."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What a network says of one picture.

    top: the likeliest classes, the likeliest first
    latency_ms: from the picture in memory to the answer in memory
    """

    top: tuple[Guess, ...]
    latency_ms: float

    @property
    def label(self) -> str:
        """The likeliest class."""
        return self.top[0].label

    @property
    def probability(self) -> float:
        """Its probability, 0..1."""
        return self.top[0].probability


class Predictor:
    """Classifies one picture at a time, as a camera gives them."""

    def __init__(
        self, probabilities: Probabilities, classes: Sequence[str], *, device: torch.device | str, top: int = TOP
    ):
        """classes: names of the outputs; without any they go by their numbers."""
        self._probabilities = probabilities
        self._classes = tuple(classes)
        self._device = torch.device(device)
        self._top = top
        self._warm: set[tuple[int, ...]] = set()

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> Prediction:
        """image: uint8 (H, W, 3), planes R, G, B, 0..255. Raises NetworkError for more or fewer outputs than names."""
        started = time.perf_counter()
        picture = torch.from_numpy(image).to(self._device).permute(2, 0, 1)[None]
        row = self._probabilities(picture)[0].float()
        if self._classes and len(self._classes) != len(row):
            raise NetworkError(
                f"{len(self._classes)} class names for {len(row)} outputs. Give the names in their order."
            )
        values, indices = row.topk(min(self._top, len(row)))
        guesses = tuple(Guess(i, self._name(i), p) for i, p in zip(indices.tolist(), values.tolist(), strict=True))
        synchronize(self._device)
        return Prediction(guesses, 1000 * (time.perf_counter() - started))

    def warm_up(self, shape: Sequence[int], runs: int = WARM_UP) -> None:
        """Classify grey pictures, (H, W, 3), of a shape not seen before: its first calls plan, and take longer."""
        if tuple(shape) not in self._warm:
            self._warm.add(tuple(shape))
            for _ in range(runs):
                self(np.full(shape, 128, np.uint8))

    def _name(self, index: int) -> str:
        return self._classes[index] if self._classes else f"class {index}"
