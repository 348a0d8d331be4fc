"""Provides batches of data in memory, and gives each of several processes its part of every batch."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader


class Loader(Protocol):
    """Gives batches (x, y), and knows how many, as `Batches` and a DataLoader do."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...


class Batches:
    """Gives batches (x, y) of two tensors in memory.

    uint8 images stay uint8, so 40,000 of 32x32 pixels take 123 MB.

    Args:
        x: The inputs (N, ...), for example images uint8 (N, 3, H, W) or features float32 (N, D).
        y: The labels, int64 (N,).
        batch_size: Samples in a batch, 1 or more; the last batch may have fewer.
        shuffle: Whether every pass takes the samples in a new order, chosen by PyTorch's random state; by default they
            keep theirs.
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, *, shuffle: bool = False):
        self.x, self.y = x, y
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self) -> int:
        return -(-len(self.y) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.y)) if self.shuffle else torch.arange(len(self.y))
        for chosen in order.split(self.batch_size):
            yield self.x[chosen], self.y[chosen]


class Shard:
    """Gives one process its part of every batch of a loader; the parts of all processes together are the batch.

    Of a DataLoader, only the samples of this part are read.

    Args:
        loader: Gives all batches (x, y).
        rank: The number of this process, from 0 on.
        size: The number of processes.
        in_step: Whether all processes get equally many batches, as they must to learn together. Then a batch with fewer
            samples than processes is left out. Otherwise a process leaves out only those in which it has no part.
    """

    def __init__(self, loader: Loader, rank: int, size: int, *, in_step: bool):
        self.least = size if in_step else rank + 1  # samples in a batch
        self.part = slice(rank, None, size)
        self.generator = generator_of(loader)
        self.loader = self._reading_its_part(loader) if isinstance(loader, DataLoader) else loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if isinstance(self.loader, DataLoader):
            yield from self.loader
            return
        for x, y in self.loader:
            if len(y) >= self.least:
                yield x[self.part], y[self.part]

    def _reading_its_part(self, loader: DataLoader) -> DataLoader:
        return type(loader)(
            loader.dataset,
            batch_sampler=_Parts(loader, self.part, self.least),
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            worker_init_fn=loader.worker_init_fn,
            generator=loader.generator,
            persistent_workers=loader.persistent_workers,
        )


def generator_of(loader: Loader) -> torch.Generator | None:
    """Return the random generator that decides a DataLoader's order, where it has its own; `fit` seeds it."""
    if isinstance(loader, DataLoader):
        return getattr(loader.sampler, "generator", None) or loader.generator
    return loader.generator if isinstance(loader, Shard) else None


class _Parts:
    """Is a batch sampler that gives one part of every batch of a DataLoader's own sampler."""

    def __init__(self, loader: DataLoader, part: slice, least: int):
        assert loader.batch_sampler is not None  # a DataLoader with a batch size has one
        self.batches, self.count = loader.batch_sampler, len(loader)
        self.part, self.least = part, least

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[list[int]]:
        return (batch[self.part] for batch in self.batches if len(batch) >= self.least)
