"""Accuracies, as shares of images that were classified correctly, and how sure one may be of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

LEVEL = 0.95  # the probability with which the interval holds the true share


@dataclass(frozen=True)
class Share:
    """A share says that `right` of `count` images were classified correctly."""

    right: int
    count: int

    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.right / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval, 0 to 1: where the share of all such images lies, as far as these can tell.

        The source is Wilson 1927. Unlike the share ± 1.96 standard errors, this interval stays within 0 to 1 and holds
        for few images too.
        """
        found = binomtest(self.right, self.count).proportion_ci(LEVEL, method="wilson")
        return float(found.low), float(found.high)


def share_within(truths: Sequence[int], guesses: Sequence[Sequence[int]], top: int) -> Share:
    """Return how often the true class, (N,), is among the first `top` guesses, (N, k) with the likeliest first."""
    right = sum(truth in list(row)[:top] for truth, row in zip(truths, guesses, strict=True))
    return Share(right, len(truths))


def worth(count: int) -> str:
    """Say in words how many percentage points of accuracy one image is worth."""
    return f"{count} images: steps of {100 / count:.3g} points" if count > 1 else "1 image: 0 or 100 points"
