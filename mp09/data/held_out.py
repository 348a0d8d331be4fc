"""Chooses the held-out images, which only the grader scores on, and writes their private file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mp09.data.archives import Progress
from mp09.data.cifar import write_batch
from mp09.data.imageset import NamedImages
from mp09.data.origins import Origin
from mp09.data.provenance import HOLDOUT_FILE, SECRET_FILE, Provenance, holdout_file, secret_file
from mp09.errors import DataError
from mp09.files import checksum, write_text


@dataclass(frozen=True)
class Holdout:
    """Holds images that only the grader scores on, in the order of the private file, and the secret seed of both."""

    images: NamedImages
    secret: int


def check_holdout(out: Path, holdout: int | None, per_file: int, found: Provenance | None) -> None:
    """Raise DataError for a number that can't be, or when nobody asked to give up the images that are held out."""
    if holdout is None and (holdout_file(out).parent.exists() or (found and found.holdout)):
        raise DataError(
            f"{out}: has held-out images, which are replaced when it is made anew. Hold out others: --holdout N, or "
            "none: --holdout 0."
        )
    if holdout is not None and (holdout < 0 or holdout % 40 or holdout >= 5 * per_file):
        raise DataError(
            f"--holdout: expected a multiple of 40 (five files, eight classes) below {5 * per_file}, got {holdout}."
        )


def check_holdout_is_there(out: Path, holdout: int | None) -> None:
    """Raise DataError when somebody counts on held-out images that are gone."""
    if holdout and not (holdout_file(out).exists() and secret_file(out).exists()):
        raise DataError(
            f"{holdout_file(out).parent}: the held-out images and their secret seed are not there. Put them back, or "
            "hold out others (--force) and give out the data anew."
        )


def hold_out(
    origin: Origin, train: NamedImages, count: int, secret: int, progress: Progress | None
) -> tuple[NamedImages, Holdout]:
    """Return the training images that are left, and `count` held-out ones with equally many of each class."""
    if origin.more:  # everybody can make the public files, so what is missing in them would tell what is held out
        private = origin.more(count, secret, progress)
    else:
        train, private = _split(train, count, np.random.default_rng([secret, 0]))
    # The order in the file is secret, too, because a submission might look up answers by position.
    return train, Holdout(private.take(np.random.default_rng([secret, 1]).permutation(count)), secret)


def _split(train: NamedImages, count: int, random: np.random.Generator) -> tuple[NamedImages, NamedImages]:
    """Return what is left, and `count` random images with equally many of each class."""
    order, classes = random.permutation(len(train.labels)), np.unique(train.labels)
    of_each = [order[train.labels[order] == label][: count // len(classes)] for label in classes]
    private = np.concatenate(of_each)
    return train.take(np.setdiff1d(order, private)), train.take(private)


def write_holdout(folder: Path, held_out: Holdout) -> str:
    """Write the private file and its secret seed, and return the file's checksum."""
    images, secret = folder / HOLDOUT_FILE, folder / SECRET_FILE
    private = held_out.images
    write_batch(images, private.images, private.labels, label="held out", filenames=private.filenames)
    write_text(secret, f"{held_out.secret:032x}\n")
    for path in (images, secret):
        path.chmod(0o600)
    return checksum(images)
