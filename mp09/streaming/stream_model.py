"""Runs the model of a pipeline on groups of images. PyTorch is imported only when a model is loaded."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mp09.streaming.messages import Likeliest

TOP = 5


class StreamModel:
    """Holds an exported model on its device, with the names of its classes."""

    def __init__(self, file: Path, device: str, threads: int, names: Sequence[str]):
        """Load the model. The arguments are those of `Processor`; `file` is its `model`."""
        import torch

        from mp09.device import choose_device
        from mp09.nets.export import load_exported

        if threads:
            torch.set_num_threads(threads)
        self._device = choose_device(device)
        exported = load_exported(file, self._device)
        self._model, self._softmax = exported.model, exported.card["softmax"]
        self._names = exported.card["classes"] or names
        self._indices = {name: index for index, name in enumerate(self._names)}

    def __call__(self, array: np.ndarray) -> tuple[list[Likeliest], np.ndarray, tuple[float, float]]:
        """Run the model on images, uint8 (N, H, W, 3), values 0 to 255.

        Returns:
            for each image its likeliest classes (index, name, probability 0 to 1); features float32 (N, D); and the
            seconds of the way to the device and of the model.
        """
        import torch

        from mp09.device import synchronize

        began = time.monotonic()
        with torch.inference_mode():
            # A copy, as the store's array is read-only.
            images = torch.from_numpy(array.copy()).to(self._device).permute(0, 3, 1, 2)
            synchronize(self._device)
            there = time.monotonic()
            features, scores = self._model(images)
            probabilities = scores if self._softmax else scores.softmax(dim=1)
            values, indices = probabilities.float().topk(min(TOP, scores.shape[1]))
            values, indices, features = values.tolist(), indices.tolist(), features.float().cpu().numpy()
        done = time.monotonic()
        top = [[(i, self._name(i), p) for i, p in zip(*row, strict=True)] for row in zip(indices, values, strict=True)]
        return top, features, (there - began, done - there)

    def _name(self, index: int) -> str:
        return self._names[index] if index < len(self._names) else str(index)

    def is_right(self, label: str | None, index: int) -> bool | None:
        """Return whether a label means the class with this index; None where it names no class of the model.

        A label is the name of a class or, when no class has that name, the number of one.
        """
        if label in self._indices:
            return self._indices[label] == index
        return int(label) == index if label and label.isdecimal() else None
