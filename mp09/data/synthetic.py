"""Makes synthetic images by code alone, for machines where CIFAR-10 can't be downloaded.

    images = draw(np.arange(400) % 8, seed=0)      # uint8 (400, 3, 32, 32)

There are eight classes, in the order of CIFAR-10's without cat and dog. Each image is a figure of `figures.render`,
mirrored, moved and painted at random. It stands before a background that often but not always suits its class, under
random light, contrast, blur and noise. `benchmarks/calibrate_synthetic.py` measures how hard the images are.

Nothing is taken from photographs, so a score on these images says nothing about a score on CIFAR-10.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from mp09.data.figures import render
from mp09.data.palettes import BACKGROUNDS, PAINTS, USUAL_BACKGROUND, USUAL_FIRST, USUAL_SECOND
from mp09.errors import DataError

SIDE = render.SIZE
CHUNK = 512  # images that are composed at once; an array of their floats takes 6 MiB
VARIANTS = 320  # figures of each class; rendering one takes a millisecond (one core of a Xeon with AMX)
WANDER = 3  # a figure may be so many pixels off the middle, in both directions

UNUSUAL_PAINT, UNUSUAL_BACKGROUND = 0.05, 0.2  # share of images where any of them is chosen instead


def draw(labels: np.ndarray, *, seed: int = 0, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """Make a synthetic image for each label.

    The same labels and seed give the same bytes, and the first n images depend only on the first n labels. No two
    seeds share a figure.

    Args:
        labels: whole numbers (N,), 0 to 7.
        seed: 0 or more.
        progress: called as progress(done, N) now and then, and at the end with done = N.

    Returns:
        uint8 (N, 3, 32, 32), planes R, G, B, values 0 to 255.

    Raises:
        DataError: `labels` are not whole numbers from 0 to 7, or have another shape.
    """
    labels = _checked(labels)
    images = np.empty((len(labels), 3, SIDE, SIDE), dtype=np.uint8)
    shelf, clouds = _Shelf(seed), _clouds(np.random.default_rng([seed, 1]))
    for start in range(0, len(labels), CHUNK):
        part = labels[start : start + CHUNK]
        dice = _Dice(np.random.default_rng([seed, 2, start]), len(part))
        images[start : start + CHUNK] = _compose(part, dice, shelf, clouds)
        if progress:
            progress(start + len(part), len(labels))
    return images


def _checked(labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.ndim != 1 or (labels.dtype.kind not in "iu" and len(labels)):
        raise DataError(f"labels: expected whole numbers 0..7, (N,); got {labels.dtype} of shape {labels.shape}.")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(render.CLASSES):
        raise DataError(f"labels: expected 0..7; got {labels.min()}..{labels.max()}.")
    return labels.astype(np.int64)


class _Shelf(dict[tuple[int, int], np.ndarray]):
    """Holds the figures of one seed by (label, variant). Each is rendered when it is first asked for."""

    def __init__(self, seed: int):
        super().__init__()
        self.seed = seed

    def __missing__(self, key: tuple[int, int]) -> np.ndarray:
        self[key] = render.figure(key[0], np.random.default_rng([self.seed, 0, *key]))
        return self[key]


class _Dice:
    """Gives random numbers for n images. It always makes those of a full chunk, so that no image depends on n."""

    def __init__(self, rng: np.random.Generator, n: int):
        self.rng, self.n = rng, n

    def uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        """Return float32 (n, *shape), evenly distributed from low to high."""
        return low + (high - low) * self.rng.random((CHUNK, *shape), dtype=np.float32)[: self.n]

    def whole(self, low: int, high: int) -> np.ndarray:
        """Return int64 (n,), from low to high, both included."""
        return self.rng.integers(low, high + 1, CHUNK)[: self.n]

    def normal(self, *shape: int) -> np.ndarray:
        """Return float32 (n, *shape), normally distributed with mean 0 and standard deviation 1."""
        return self.rng.standard_normal((CHUNK, *shape), dtype=np.float32)[: self.n]


def _compose(labels: np.ndarray, dice: _Dice, shelf: _Shelf, clouds: np.ndarray) -> np.ndarray:
    """Compose n images from figures and backgrounds: uint8 (n, 3, 32, 32)."""
    figure = _figures(labels, dice, shelf)
    image = _backgrounds(labels, dice, clouds)
    image *= 1 - figure[:, 3:]
    for plane, usual in enumerate((USUAL_FIRST, USUAL_SECOND)):
        image += figure[:, plane : plane + 1] * _spread(_paints(labels, dice, usual))
    image += figure[:, 2:3]
    image = _blurred(_lit(image, dice), dice)
    image += dice.normal(3, SIDE, SIDE) * _spread(dice.uniform(0.004, 0.02))
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _spread(values: np.ndarray) -> np.ndarray:
    """Reshape (n,) or (n, 3) to (n, 1, 1, 1) or (n, 3, 1, 1), so that it can be combined with images."""
    return values.reshape(len(values), -1, 1, 1)


def _figures(labels: np.ndarray, dice: _Dice, shelf: _Shelf) -> np.ndarray:
    """Return a random figure for each label, mirrored and moved at random: float32 (n, 4, 32, 32), 0 to 1."""
    out = np.zeros((len(labels), 4, SIDE + 2 * WANDER, SIDE + 2 * WANDER), dtype=np.uint8)
    variants, flips = dice.whole(0, VARIANTS - 1), dice.whole(0, 1)
    rights, downs = dice.whole(0, 2 * WANDER), dice.whole(0, 2 * WANDER)
    for i, (x, y) in enumerate(zip(rights, downs, strict=True)):
        figure = shelf[int(labels[i]), int(variants[i])]
        out[i, :, y : y + SIDE, x : x + SIDE] = figure[:, :, ::-1] if flips[i] else figure
    return out[:, :, WANDER:-WANDER, WANDER:-WANDER] / np.float32(255)


def _pick(labels: np.ndarray, dice: _Dice, usual: tuple[str, ...], names: list[str], unusual: float) -> np.ndarray:
    """Choose from `names` what is usual for each label's class, or with probability `unusual` any: indices (n,)."""
    rows = [[names.index(name) for name in row.split()] for row in usual]
    lengths = np.array([len(row) for row in rows])
    table = np.array([row + [0] * (lengths.max() - len(row)) for row in rows])
    columns = (dice.uniform(0, 1) * lengths[labels]).astype(np.int64)
    anything = dice.whole(0, len(names) - 1)
    return np.where(dice.uniform(0, 1) < unusual, anything, table[labels, columns])


def _paints(labels: np.ndarray, dice: _Dice, usual: tuple[str, ...]) -> np.ndarray:
    """Choose a colour for each label: float32 (n, 3), 0 to 1."""
    paints = np.array(list(PAINTS.values()), dtype=np.float32)
    chosen = paints[_pick(labels, dice, usual, list(PAINTS), UNUSUAL_PAINT)]
    return np.clip(chosen + dice.uniform(-0.08, 0.08, 3), 0.03, 1)


def _backgrounds(labels: np.ndarray, dice: _Dice, clouds: np.ndarray) -> np.ndarray:
    """Make a background for each label: float32 (n, 3, 32, 32)."""
    chosen = _pick(labels, dice, USUAL_BACKGROUND, list(BACKGROUNDS), UNUSUAL_BACKGROUND)
    kinds = BACKGROUNDS.values()

    def of(each: ArrayLike) -> np.ndarray:
        """Return what each image has of a property, from that of each kind of background."""
        return np.array(each, dtype=np.float32)[chosen]

    tint = dice.uniform(-0.05, 0.05, 3)
    upper = _between(of([kind.upper for kind in kinds]), dice)[:, :, None, None]
    lower = _between(of([kind.lower for kind in kinds]), dice)[:, :, None, None]
    line = SIDE * _between(of([kind.line for kind in kinds])[:, :, None], dice)
    rows = np.arange(SIDE, dtype=np.float32)
    share = np.clip((rows - line) / of([kind.soft for kind in kinds])[:, None] + 0.5, 0, 1)[:, None, :, None]
    rough = of([kind.rough for kind in kinds])[:, :, None, None, None] * _spread(dice.uniform(0.3, 1.2))[:, None]
    texture = _windows(clouds, dice) * (rough[:, 0] * (1 - share) + rough[:, 1] * share)
    return (upper * (1 - share) + lower * share) + texture + _spread(tint)


def _between(ends: np.ndarray, dice: _Dice) -> np.ndarray:
    """Choose points near random positions between two ends each: from (n, 2, k) to (n, k)."""
    where = dice.uniform(0, 1)[:, None]
    beside = dice.uniform(-0.04, 0.04, ends.shape[2])
    return ends[:, 0] + (ends[:, 1] - ends[:, 0]) * where + beside


def _clouds(rng: np.random.Generator, side: int = 512) -> np.ndarray:
    """Make smoothed noise with grains of 2 to 16 pixels: float32 (side, side), with a standard deviation of 1.1."""
    total = np.zeros((side, side), dtype=np.float32)
    for grain in (2, 4, 8, 16):
        layer = rng.standard_normal((side // grain, side // grain), dtype=np.float32)
        layer = layer.repeat(grain, axis=0).repeat(grain, axis=1)
        for axis in (0, 1, 0, 1):
            layer = sum((np.roll(layer, k, axis) for k in range(1, grain)), layer) / np.float32(grain)
        total += layer
    return total


def _windows(clouds: np.ndarray, dice: _Dice) -> np.ndarray:
    """Cut random pieces out of `clouds`: float32 (n, 1, 32, 32)."""
    down, right = (dice.whole(0, len(clouds) - SIDE) for _ in range(2))
    return np.lib.stride_tricks.sliding_window_view(clouds, (SIDE, SIDE))[down, right][:, None]


def _lit(image: np.ndarray, dice: _Dice) -> np.ndarray:
    """Light the images at random: it falls off to one side, and its colour, its strength and the contrast vary."""
    ramp = np.linspace(-0.2, 0.2, SIDE, dtype=np.float32)
    across, down = _spread(dice.uniform(-1, 1)) * ramp, _spread(dice.uniform(-1, 1)) * ramp[:, None]
    image = image * (1 + across + down) * _spread(dice.uniform(0.93, 1.07, 3))
    middle = np.float32(0.47)  # about the mean of all images
    return (image - middle) * _spread(dice.uniform(0.8, 1.15)) + middle + _spread(dice.uniform(-0.1, 0.1))


def _blurred(image: np.ndarray, dice: _Dice) -> np.ndarray:
    """Mix each pixel with its four neighbours, by a random share from nothing to a fifth."""
    edge = np.pad(image, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    near = edge[:, :, :-2, 1:-1] + edge[:, :, 2:, 1:-1] + edge[:, :, 1:-1, :-2] + edge[:, :, 1:-1, 2:]
    share = _spread(dice.uniform(0, 0.2))
    return image * (1 - share) + near * (share / 4)
