"""Defines the record of features and labels, and joins several of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FeatureSet:
    """Holds what a backbone makes of images.

    Attributes:
        features: float32 (N, D). From a cache, this is a file that is mapped into memory, and read-only.
        labels: The classes of the images, int64 (N,).
        key: The sha256 of all that the features depend on, such as weights, images, preprocessing and versions. In a
            cache they lie under it.
    """

    features: np.ndarray
    labels: np.ndarray
    key: str

    def __len__(self) -> int:
        return len(self.labels)


def stack(sets: Iterable[FeatureSet]) -> FeatureSet:
    """Join several views of the same images into one set, one view after the other."""
    sets = list(sets)
    return FeatureSet(
        np.concatenate([found.features for found in sets]),
        np.concatenate([found.labels for found in sets]),
        "+".join(found.key for found in sets),
    )
