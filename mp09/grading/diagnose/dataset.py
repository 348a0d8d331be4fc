"""Compare datasets and loaders with what the batch files hold.

Each function returns None when all is well, else the Diagnosis.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mp09.data.cifar import CLASSES
from mp09.grading import rubric
from mp09.grading.diagnose.record import Diagnosis

ORIGINAL_LABELS = np.array([0, 1, 2, 4, 6, 7, 8, 9])  # the numbers of our eight classes among CIFAR-10's ten
MEAN, STD = np.array([0.4914, 0.4822, 0.4465]), np.array([0.247, 0.243, 0.261])
ADVICE_ONE_HOT = "Labels are one-hot rows; plain ints are enough for nn.CrossEntropyLoss and save memory."


def length(expected: int, got: int) -> Diagnosis | None:
    if got == expected:
        return None
    remedy = "Count the images in all the files that were asked for, and nothing else."
    if got == 6:
        remedy = "6 is the number of keys or files, not of images: count the entries of b'labels'."
    elif got == expected * 3072:
        remedy = "You count bytes: each entry of b'data' is one image of 3072 bytes."
    elif got in (0, 1):
        remedy = "The images of a file are the entries of b'data'; extend your list by them, don't append the list."
    return Diagnosis("dataset-length", f"{expected} items", f"{got}", remedy)


def batches(expected: int, got: int, *, items: int) -> Diagnosis | None:
    if got == expected:
        return None
    size = rubric.BATCH_SIZE
    remedy = "Pass loader_params on: DataLoader(dataset, **loader_params)."
    if got == items:
        remedy = "One batch an item: batch_size was not passed on. " + remedy
    elif got == items // size:
        remedy = "The last, smaller batch is missing: leave drop_last out unless it is asked for."
    return Diagnosis("loader-batches", f"{expected} batches of up to {size} for {items} items", f"{got}", remedy)


def first_batch(parts: list[str], *, size: int) -> Diagnosis | None:
    """Compare the parts of a batch, as the worker describes them, with `size` images and their labels."""
    wanted = f"a float32 tensor of shape ({size}, 3, 32, 32)"
    if len(parts) == 2 and parts[0] == wanted:
        return None
    got = ", ".join(parts)
    return Diagnosis("batch-shape", f"a batch of images, {wanted}, and labels", got, "Check one dataset item first.")


@dataclass(frozen=True)
class Samples:
    """Holds N items of a dataset, and what they should be; N is smaller than asked if the dataset is too short.

    Attributes:
        expected_length: the number of images in the files.
        expected_images: the files' images, uint8 (N, 3, 32, 32).
        expected_labels: the files' labels, int64 (N,).
        length: what len() of the dataset gave.
        image_kinds: a description of each item's image, e.g. "a float32 tensor of shape (3, 32, 32)".
        images: the numbers of each image, None where it had none.
        label_kinds: a description of each item's label.
        labels: the numbers of each label, None where it had none.
    """

    expected_length: int
    expected_images: np.ndarray
    expected_labels: np.ndarray
    length: int
    image_kinds: list[str]
    images: list[np.ndarray | None]
    label_kinds: list[str]
    labels: list[np.ndarray | None]


@np.errstate(invalid="ignore", over="ignore")  # an image may hold NaN and infinity
def images(samples: Samples) -> Diagnosis | None:
    """Compare the images of a dataset that was built with ToTensor() with those of the files."""
    if not samples.images:
        return length(samples.expected_length, samples.length)
    wanted = "images as float tensors of shape (3, 32, 32), values 0..1"
    truth, kinds = samples.expected_images / 255.0, samples.image_kinds
    got: list[np.ndarray] = []
    for image, kind, true in zip(samples.images, kinds, truth, strict=True):
        if image is None or image.shape != (3, 32, 32):
            return Diagnosis("image-shape", wanted, kind, f"{_shape_remedy(image)}{_contents(image, true)}")
        got.append(image)
    if not all(kind.startswith("a float") for kind in kinds):
        remedy = "Apply the transform that build_dataset is given to each image; ToTensor() then makes floats in 0..1."
        return Diagnosis("image-type", wanted, kinds[0], f"{remedy}{_contents(got[0], truth[0])}")
    values = np.stack(got).astype(np.float64)
    if _same(values, truth):
        return None
    for matches, key, remedy in IMAGES:
        if matches(values, truth):
            return Diagnosis(key, wanted, "images that differ from the file's", remedy)
    spread = f"values from {values.min():.3g} to {values.max():.3g} that are not the file's images"
    return Diagnosis("image-contents", wanted, spread, "Show one with plt.imshow and compare it with its class name.")


def _contents(image: np.ndarray | None, true: np.ndarray) -> str:
    """Say whether an image of another type or shape holds the pixels of the file (3, 32, 32), or what is wrong besides.

    Its axes are put into the right order first, and whole numbers are divided by 255, as ToTensor() would do it.
    """
    if image is None or image.size != true.size:
        return ""
    order = {(32, 32, 3): (2, 0, 1), (32, 3, 32): (1, 0, 2)}.get(image.shape, tuple(range(image.ndim)))
    scale = 255 if image.dtype.kind in "iu" else 1
    values = image.transpose(order).reshape(1, 3, 32, 32).astype(np.float64) / scale
    if _same(values, true[None]):
        return " The pixels themselves are those of the file."
    remedy = next((remedy for matches, _, remedy in IMAGES if matches(values, true[None])), "")
    return f" Besides: {remedy}" if remedy else ""


def _shape_remedy(image: np.ndarray | None) -> str:
    if image is None:
        return "Return the transformed image as the first of the two values."
    if image.shape == (32, 32, 3):
        return (
            "Rows, columns, colours is the order before ToTensor(), which moves the colours to the front: "
            "apply the transform, or permute(2, 0, 1) if you have a tensor already."
        )
    if image.shape == (32, 3, 32):
        return "ToTensor() moves the last axis to the front: give it (32, 32, 3), not (3, 32, 32)."
    if image.size == 3072:
        return "The 3072 values are 3 planes of 32 x 32: reshape(3, 32, 32), then transpose(1, 2, 0) for ToTensor()."
    return "Each entry of b'data' is one image of 3072 values."


def _same(values: np.ndarray, truth: np.ndarray) -> bool:
    return values.shape == truth.shape and bool(np.allclose(values, truth, rtol=0, atol=rubric.PIXEL_TOLERANCE))


def _scrambled(values: np.ndarray, truth: np.ndarray) -> bool:
    n = len(truth)
    return _same(values, truth.reshape(n, 32, 32, 3).transpose(0, 3, 1, 2))


def _normalised(values: np.ndarray, truth: np.ndarray) -> bool:
    shaped = (1, 3, 1, 1)
    return bool(np.allclose(values, (truth - MEAN.reshape(shaped)) / STD.reshape(shaped), rtol=0, atol=0.02)) or bool(
        np.allclose(values, truth * 2 - 1, rtol=0, atol=0.02)
    )


def _augmented(values: np.ndarray, truth: np.ndarray) -> bool:
    """Return whether every image is right or mirrored, and at least one is mirrored."""
    right = [np.allclose(a, b, atol=rubric.PIXEL_TOLERANCE) for a, b in zip(values, truth, strict=True)]
    mirrored = [np.allclose(a, b[:, :, ::-1], atol=rubric.PIXEL_TOLERANCE) for a, b in zip(values, truth, strict=True)]
    return all(a or b for a, b in zip(right, mirrored, strict=True)) and any(mirrored)


def _constant(values: np.ndarray, truth: np.ndarray) -> bool:
    """Return whether all values are equal but those of the brightest pixels.

    Dividing with // gives this: 255 // 255 is 1, and all other grey levels become 0.
    """
    rest = values[truth < 1 - rubric.PIXEL_TOLERANCE]
    return rest.size > 0 and float(np.ptp(rest)) == 0


def _reordered(values: np.ndarray, truth: np.ndarray) -> bool:
    """Return whether each image has all its values, but in another order."""
    return _same(np.sort(values.reshape(len(values), -1)), np.sort(truth.reshape(len(truth), -1)))


IMAGES: list[tuple[Callable[[np.ndarray, np.ndarray], bool], str, str]] = [
    (
        lambda v, t: _same(v, t * 255),
        "image-scale",
        "Values are 0..255: ToTensor() divides by 255 only when it gets a uint8 array (32, 32, 3) or a PIL image.",
    ),
    (
        lambda v, t: _same(v * 255, t),
        "image-scale",
        "Divided by 255 twice: ToTensor() does it already.",
    ),
    (
        _scrambled,
        "image-scrambled",
        "Pixels are right but in the wrong order: reshape to (3, 32, 32) first, then move the channels.",
    ),
    (lambda v, t: _same(v, t[:, ::-1]), "image-bgr", "Red and blue are swapped: the planes are red, green, blue."),
    (
        lambda v, t: _same(v, t.transpose(0, 1, 3, 2)),
        "image-transposed",
        "Rows and columns are swapped: from (3, 32, 32) to (32, 32, 3) it is transpose(1, 2, 0), not (2, 1, 0).",
    ),
    (
        _normalised,
        "image-normalised",
        "The dataset normalises by itself: do only what the given transform does, and leave the rest to it.",
    ),
    (_augmented, "image-augmented", "The dataset mirrors images by itself: augmentation belongs into the transform."),
    (
        _constant,
        "image-constant",
        "All pixels but the brightest are equal: images as uint8 are not to be divided with //.",
    ),
    (
        _reordered,
        "image-scrambled",
        "Pixels are right but in the wrong order: reshape to (3, 32, 32) first, then move the channels.",
    ),
]


def labels(samples: Samples) -> Diagnosis | None:
    """Compare the labels of a dataset over several files: numbers, or one-hot rows, which are accepted too."""
    if len(samples.labels) < rubric.SAMPLES:
        return length(samples.expected_length, samples.length)
    wanted = "labels as whole numbers 0..7, those of the file"
    got: list[float] = []
    for label, kind in zip(samples.labels, samples.label_kinds, strict=True):
        if label is None or label.size not in (1, len(CLASSES)):
            return Diagnosis("label-type", wanted, kind, "Return the entry of b'labels' as it is, an int.")
        got.append(float(label.argmax() if label.size > 1 else label.item()))
    values = np.array(got)
    if np.array_equal(values, samples.expected_labels):
        return None
    remedy = next(text for matches, text in LABELS if matches(values, samples.expected_labels))
    # How many differ depends on the samples, which are others in each run; what a student reads must not.
    return Diagnosis("labels", wanted, "other numbers", remedy)


LABELS: list[tuple[Callable[[np.ndarray, np.ndarray], bool], str]] = [
    (
        lambda v, t: len(set((v - t).tolist())) == 1,
        "All labels are shifted by the same number: take them as they are in the file, 0..7.",
    ),
    (
        lambda v, t: np.array_equal(v, ORIGINAL_LABELS[t]),
        "These are CIFAR-10's ten class numbers; our files have their own, 0..7, without cat and dog.",
    ),
    (lambda v, t: len(set(v.tolist())) == 1, "All labels are the same: read b'labels', and index it by the item."),
    (lambda v, t: True, "Item i must have the label at i: keep images and labels of all files in the same order."),
]


def is_one_hot(samples: Samples) -> bool:
    return bool(samples.labels) and all(label is not None and label.size == len(CLASSES) for label in samples.labels)
