"""Defines the records in which the data package returns images."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageSet:
    """Holds labelled images in memory.

    Attributes:
        images: uint8 (N, 3, H, W), planes R, G, B, values 0 to 255.
        labels: int64 (N,), indices into `classes`.
        classes: the class names.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: np.ndarray) -> "ImageSet":
        """Return the images at `indices` (M,), with the same classes."""
        return ImageSet(self.images[indices], self.labels[indices], self.classes)


@dataclass(frozen=True)
class NamedImages:
    """Holds images with their labels and file names.

    Attributes:
        images: uint8 (N, 3, 32, 32), planes R, G, B, values 0 to 255.
        labels: int64 (N,), indices into the class names that the images were read with.
        filenames: N names.
    """

    images: np.ndarray
    labels: np.ndarray
    filenames: list[str]

    def take(self, indices: np.ndarray) -> "NamedImages":
        """Return the images at `indices` (M,), with their labels and names."""
        return NamedImages(self.images[indices], self.labels[indices], [self.filenames[i] for i in indices])
