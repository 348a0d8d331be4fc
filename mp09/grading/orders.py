"""What a grading chooses at random: from a secret of its own, which no submission and no result ever sees.

A submission that knew what is asked, and in what order, could answer by position instead of looking at images.
Chance must not decide about honest work, though: the same submission gets the same score with every secret.

- *Counted file*: two images more than full batches. A loader that drops the last batch miscounts it with every secret,
  and one with another batch size miscounts it or is right with every secret. A dataset that is an item short, which is
  another mistake, makes no loader wrong.
- *Samples*: the places where datasets go wrong (the first item, the last of a file and the first of the next, one near
  the end) are asked with every secret, and no item after the one near the end. Mistakes elsewhere concern all items, or
  all of a file: each of the sixty other samples finds half of them.
- *Evaluation*: which images make up a batch is always the same, and only the order of the batches is secret; the worker
  draws the same random numbers for each. So every batch gets the same answers in whatever order, to the last bit, even
  from a model whose answers depend on an image's neighbours or on rounding. The second pass has other batches.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mp09.grading import rubric

COUNTED, SAMPLES, SCORED, REPEATED = range(4)  # each choice has a stream of its own: one tells nothing of the others


@dataclass(frozen=True)
class Pass:
    """positions: of images, int64 (M,), in the order they are asked in, `batch_size` at a time."""

    positions: np.ndarray
    batch_size: int


class Orders:
    """The choices of one grading; each is the same however often it is asked for."""

    def __init__(self, secret: int | None = None):
        """secret: 0 or more; default: 128 random bits."""
        self._secret = secrets.randbits(128) if secret is None else secret

    def _random(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self._secret, purpose])

    def counted(self, available: int) -> int:
        """The length of a file that nobody has seen: two images more than full batches, and fewer batches than all."""
        lengths = range(2 * rubric.BATCH_SIZE + 2, available - rubric.BATCH_SIZE, rubric.BATCH_SIZE)
        return int(self._random(COUNTED).choice(lengths)) if lengths else available // 2

    def samples(self, lengths: Sequence[int]) -> np.ndarray:
        """Positions in a dataset of several files of these lengths, int64 (SAMPLES,)."""
        total = sum(lengths)
        # The very last item is not among them: a dataset that is an item short loses the points for its length only.
        last = total - 1 - total // rubric.SAMPLES
        fixed = np.minimum([0, lengths[0] - 1, lengths[0], last], last)
        return np.concatenate([fixed, self._random(SAMPLES).integers(0, last + 1, rubric.SAMPLES - len(fixed))])

    def scored(self, total: int) -> Pass:
        """All of `total` images."""
        return self._pass(SCORED, total, total, rubric.SCORED_BATCHES)

    def repeated(self, total: int) -> Pass:
        """Some of `total` images, always the same, in other batches of another size."""
        return self._pass(REPEATED, total, min(total, rubric.REPEATED), rubric.REPEATED_BATCHES)

    def _pass(self, purpose: int, total: int, count: int, batches: tuple[int, int]) -> Pass:
        largest, fewest = batches
        size = max(1, min(largest, count // fewest))
        positions = np.random.default_rng(purpose).permutation(total)[:count]  # known, and the same for every secret
        full = len(positions) // size * size
        order = self._random(purpose).permutation(positions[:full].reshape(-1, size))  # of rows: whole batches
        return Pass(np.concatenate([order.ravel(), positions[full:]]), size)
