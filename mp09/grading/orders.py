"""Choose at random what a grading asks, from a secret of its own that no submission and no result ever sees.

A submission that knew what is asked, and in what order, could answer by position instead of looking at images.
Chance must not decide about honest work, though: the same submission gets the same score with every secret.

- *Counted file*: it holds two images more than full batches. A loader that drops the last batch miscounts it with every
  secret, and a loader with another batch size is either wrong or right with every secret. A dataset that is one item
  short is another mistake, and does not make a loader wrong: part of a batch is still left.
- *Samples*: the positions where datasets go wrong are asked with every secret. These are the first item, the last of a
  file and the first of the next, and one near the end; no item after that one is asked. Mistakes elsewhere concern all
  items, or all items of a file, so each of the sixty other samples has at least an even chance to find one.
- *Evaluation*: the same images always make up a batch, and only the order of the full batches is secret. The worker
  starts each batch with the same random numbers. So every batch gets the same answers in whatever order, to the last
  bit, even from a model whose answers depend on an image's neighbours or on rounding. The second pass has other
  batches.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mp09.grading import rubric

COUNTED, SAMPLES, SCORED, REPEATED, EXPERIMENTS = range(5)  # streams of random numbers; none tells of another


@dataclass(frozen=True)
class Pass:
    """Describes one pass over images.

    Attributes:
        positions: the images that are asked, int64 (M,), in the order in which they are asked.
        batch_size: how many of them make up a batch.
    """

    positions: np.ndarray
    batch_size: int


class Orders:
    """Makes the choices of one grading; each comes out the same however often it is asked for."""

    def __init__(self, secret: int | None = None):
        """Take a secret, a whole number from 0 on; the default is 128 random bits."""
        self._secret = secrets.randbits(128) if secret is None else secret

    def _random(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self._secret, purpose])

    def counted(self, available: int) -> int:
        """Return how many of the `available` images go into a file that nobody has seen.

        It is two more than full batches, and at least a batch fewer than all. Where the images are too few for that,
        it is half of them.
        """
        lengths = range(2 * rubric.BATCH_SIZE + 2, available - rubric.BATCH_SIZE, rubric.BATCH_SIZE)
        return int(self._random(COUNTED).choice(lengths)) if lengths else available // 2

    def samples(self, lengths: Sequence[int]) -> np.ndarray:
        """Return positions in a dataset of several files that have these lengths, int64 (rubric.SAMPLES,)."""
        total = sum(lengths)
        # The very last item is not asked, so a dataset that is one item short loses only the points for its length.
        last = total - 1 - total // rubric.SAMPLES
        fixed = np.minimum([0, lengths[0] - 1, lengths[0], last], last)
        return np.concatenate([fixed, self._random(SAMPLES).integers(0, last + 1, rubric.SAMPLES - len(fixed))])

    def scored(self, total: int) -> Pass:
        """Return the first pass, over all of `total` images."""
        return self._pass(SCORED, total, total, rubric.SCORED_BATCHES)

    def repeated(self, total: int) -> Pass:
        """Return the second pass, over some of `total` images, always the same, in other batches of another size."""
        return self._pass(REPEATED, total, min(total, rubric.REPEATED), rubric.REPEATED_BATCHES)

    def experiments(self, total: int) -> np.ndarray:
        """Return the images for experiments, int64 (M,), the same with every secret: what they show decides little."""
        return np.random.default_rng(EXPERIMENTS).permutation(total)[: rubric.EXPERIMENT_IMAGES]

    def _pass(self, purpose: int, total: int, count: int, batches: tuple[int, int]) -> Pass:
        largest, fewest = batches
        size = max(1, min(largest, count // fewest))
        positions = np.random.default_rng(purpose).permutation(total)[:count]  # the same with every secret
        full = len(positions) // size * size
        order = self._random(purpose).permutation(positions[:full].reshape(-1, size))  # a row is a whole batch
        return Pass(np.concatenate([order.ravel(), positions[full:]]), size)
