"""Predicts with a model what is on an image, and how sure that is."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mp09.device import synchronize
from mp09.errors import ModelError

TOP = 5  # classes
WARM_UP = 3  # predictions

# Takes uint8 (N, 3, H, W), 0 to 255, and returns float (N, classes), whose rows add up to 1, on the same device.
Probabilities = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Guess:
    """A guess is one class: its number among the outputs, its name, and its probability, 0 to 1."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class Prediction:
    """A prediction is what a model says of one image.

    Attributes:
        top: the likeliest classes, the likeliest first.
        latency_ms: milliseconds from the image in memory to the answer in memory.
    """

    top: tuple[Guess, ...]
    latency_ms: float

    @property
    def label(self) -> str:
        """The name of the likeliest class."""
        return self.top[0].label

    @property
    def probability(self) -> float:
        """The probability of the likeliest class, 0 to 1."""
        return self.top[0].probability


class Predictor:
    """Classifies one image at a time, as a camera gives them."""

    def __init__(
        self, probabilities: Probabilities, classes: Sequence[str], *, device: torch.device | str, top: int = TOP
    ):
        """Make a predictor.

        Args:
            probabilities: the model, with preprocessing before it and softmax after it, on `device`.
            classes: the names of the outputs; without any the outputs are called by their numbers.
            device: where images are moved to.
            top: how many classes a prediction has at most.
        """
        self._probabilities = probabilities
        self._classes = tuple(classes)
        self._device = torch.device(device)
        self._top = top
        self._warm: set[tuple[int, ...]] = set()

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> Prediction:
        """Classify an image, uint8 (H, W, 3), planes R, G, B, values 0 to 255.

        Raises:
            ModelError: there are class names, but more or fewer than outputs.
        """
        started = time.perf_counter()
        batch = torch.from_numpy(image).to(self._device).permute(2, 0, 1)[None]
        row = self._probabilities(batch)[0].float()
        if self._classes and len(self._classes) != len(row):
            raise ModelError(f"{len(self._classes)} class names for {len(row)} outputs. Give the names in their order.")
        values, indices = row.topk(min(self._top, len(row)))
        guesses = tuple(Guess(i, self._name(i), p) for i, p in zip(indices.tolist(), values.tolist(), strict=True))
        synchronize(self._device)
        return Prediction(guesses, 1000 * (time.perf_counter() - started))

    def warm_up(self, shape: Sequence[int], runs: int = WARM_UP) -> None:
        """Classify grey images of a shape (H, W, 3) that is new: its first calls also plan, and would take longer."""
        if tuple(shape) not in self._warm:
            self._warm.add(tuple(shape))
            for _ in range(runs):
                self(np.full(shape, 128, np.uint8))

    def _name(self, index: int) -> str:
        return self._classes[index] if self._classes else f"class {index}"
