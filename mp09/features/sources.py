"""Defines what features are extracted from: a backbone, and images in memory or batch by batch."""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn


class PreparesImages(Protocol):
    """Is a module that maps images uint8 (N, 3, H, W) to float (N, 3, S, S), and can say its settings."""

    def __call__(self, images: Tensor) -> Tensor: ...

    def to(self, device: torch.device) -> "PreparesImages": ...

    def describe(self) -> dict[str, Any]:
        """Return all settings as plain values."""


class HasBody(Protocol):
    """Is a backbone: `body` maps float (N, 3, S, S) to features (N, D), and `preprocess` comes before it."""

    @property
    def body(self) -> nn.Module: ...

    @property
    def preprocess(self) -> PreparesImages: ...


@runtime_checkable
class InMemory(Protocol):
    """Has images uint8 (N, 3, H, W) and labels (N,) in memory, as an ImageSet does."""

    @property
    def images(self) -> np.ndarray: ...

    @property
    def labels(self) -> np.ndarray: ...


ImageBatch = tuple[Tensor, Tensor | np.ndarray]  # images uint8 (n, 3, H, W), labels int64 (n,)
ImageSource = InMemory | Iterable[ImageBatch]


def batches(data: ImageSource, batch_size: int) -> Iterator[ImageBatch]:
    """Yield all images in order, in batches (uint8 (n, 3, H, W), labels (n,)).

    Args:
        data: As `extract` takes it. Batches of an iterable are passed on as they are.
        batch_size: Images in a batch of `data.images`.
    """
    if not isinstance(data, InMemory):
        yield from data
        return
    for start in range(0, len(data.labels), batch_size):
        chosen = slice(start, start + batch_size)
        yield torch.from_numpy(np.ascontiguousarray(data.images[chosen])), data.labels[chosen]
