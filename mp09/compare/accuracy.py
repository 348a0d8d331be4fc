"""Shares of pictures that were named rightly, and how sure one may be of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

LEVEL = 0.95  # of the interval


@dataclass(frozen=True)
class Share:
    """`right` of `count` pictures."""

    right: int
    count: int

    @property
    def value(self) -> float:
        """0..1."""
        return self.right / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval, 0..1: where the share of all such pictures lies, as far as these can tell.

        (Wilson 1927. Unlike value ± 1.96 deviations it stays within 0..1, and is right for few pictures too.)
        """
        found = binomtest(self.right, self.count).proportion_ci(LEVEL, method="wilson")
        return float(found.low), float(found.high)


def share_within(truths: Sequence[int], guesses: Sequence[Sequence[int]], top: int) -> Share:
    """How often the true class is among the `top` first guesses. truths: (N,); guesses: (N, k), likeliest first."""
    right = sum(truth in list(row)[:top] for truth, row in zip(truths, guesses, strict=True))
    return Share(right, len(truths))


def worth(count: int) -> str:
    """What one picture is worth, in words."""
    return f"{count} pictures: steps of {100 / count:.3g} points" if count > 1 else "1 picture: 0 or 100 points"
