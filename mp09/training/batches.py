"""Batches of what lies in memory, and one process's part of every batch."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader


class Batches:
    """Batches (x, y) of two tensors; `shuffle` draws a new order from PyTorch's random state at every pass.

    uint8 pictures stay uint8, so 40,000 of 32x32 take 123 MB.
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


class Share:
    """Every batch of a loader, cut for process `rank` of `size`: the parts of all together are the batch.

    A DataLoader reads only its part. A batch of fewer pictures than processes is left out.
    """

    def __init__(self, loader: Iterable, rank: int, size: int):
        self.size = size
        self.part = slice(rank, None, size)
        self.generator = getattr(loader, "generator", None)
        self.loader = self._reading_its_part(loader) if isinstance(loader, DataLoader) else loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if isinstance(self.loader, DataLoader):
            yield from self.loader
            return
        for x, y in self.loader:
            if len(y) >= self.size:
                yield x[self.part], y[self.part]

    def _reading_its_part(self, loader: DataLoader) -> DataLoader:
        return type(loader)(
            loader.dataset,
            batch_sampler=_Parts(loader.batch_sampler, self.part, self.size),
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            worker_init_fn=loader.worker_init_fn,
            generator=loader.generator,
            persistent_workers=loader.persistent_workers,
        )


class _Parts:
    """A batch sampler that gives one part of another's batches."""

    def __init__(self, batches: Iterable[list[int]], part: slice, size: int):
        self.batches, self.part, self.size = batches, part, size

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return (batch[self.part] for batch in self.batches if len(batch) >= self.size)
