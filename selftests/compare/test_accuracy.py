"""Accuracies and their intervals are what the formulas say."""

import pytest

from mp09.compare.accuracy import Share, share_within, worth


@pytest.mark.parametrize(
    ("right", "count", "low", "high"),
    [
        (43, 50, 0.7381, 0.9305),  # computed by hand from Wilson's formula, z = 1.95996
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (3991, 10000, 0.3895, 0.4087),
    ],
)
def test_wilson_intervals(right, count, low, high):
    assert Share(right, count).interval == pytest.approx((low, high), abs=1e-4)


def test_the_formula():
    z, n, p = 1.959964, 50, 0.86
    middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    expected = [(middle + side * half) / (1 + z * z / n) for side in (-1, 1)]
    assert Share(43, 50).interval == pytest.approx(expected, abs=1e-6)


def test_the_first_guesses_count():
    guesses = [[3, 1], [1, 3], [0, 2], [2, 0]]
    assert share_within([3, 3, 3, 0], guesses, 1) == Share(1, 4)
    assert share_within([3, 3, 3, 0], guesses, 2) == Share(3, 4)


@pytest.mark.parametrize(
    ("count", "words"),
    [(50, "50 images: steps of 2 points"), (10000, "steps of 0.01 points"), (1, "1 image: 0 or 100 points")],
)
def test_what_one_image_is_worth(count, words):
    assert words in worth(count)
