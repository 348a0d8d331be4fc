"""The record that the features room hands out."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FeatureSet:
    """What a backbone makes of pictures.

    features: float32 (N, D); a file mapped into memory when it comes from the cache
    labels: int64 (N,)
    key: of weights, pictures, preprocessing and versions, under which it lies in a cache
    """

    features: np.ndarray
    labels: np.ndarray
    key: str

    def __len__(self) -> int:
        return len(self.labels)
