"""Collects batches in one array that grows in place."""

import numpy as np

GROWTH = 2**26  # bytes by which an array grows; memory in such large pieces grows without being copied


class Rows:
    """Collects batches in one array (n, ...), which grows in place, so that memory is needed only once.

    Many small arrays in a list, allocated between large ones that are freed, would keep the freed memory from being
    used.
    """

    def __init__(self, dtype: type):
        self.all: np.ndarray = np.empty(0, dtype)
        self.count = 0

    def add(self, batch: np.ndarray) -> None:
        """Copy a batch (n, ...) behind what is there."""
        if self.count + len(batch) > len(self.all):
            rows = max(len(batch), GROWTH * len(batch) // batch.nbytes)
            self.all.resize((len(self.all) + rows, *batch.shape[1:]), refcheck=False)
        self.all[self.count : self.count + len(batch)] = batch
        self.count += len(batch)

    def close(self) -> np.ndarray:
        """Return the array (n, ...) without spare room. Nothing can be added any more."""
        self.all.resize((self.count, *self.all.shape[1:]), refcheck=False)
        return self.all
