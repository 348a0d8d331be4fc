"""The record that the data room hands out."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageSet:
    """Pictures that fit in memory.

    images: uint8 (N, 3, H, W), planes R, G, B, 0..255
    labels: int64 (N,), indices into `classes`
    classes: the class names
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> "ImageSet":
        """The pictures at `indices` (M,); the classes stay."""
        return ImageSet(self.images[indices], self.labels[indices], self.classes)
