"""Gets the images of a data folder: synthetic ones, image files, or the official archive of CIFAR-10."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mp09.data import synthetic
from mp09.data.archives import Progress, check_enough, decode_files, describe, read_files
from mp09.data.cifar import CIFAR10, CLASSES, renumber
from mp09.data.download import MD5, URL, download
from mp09.data.imageset import NamedImages
from mp09.data.official import check_exists, read_official
from mp09.files import checksum

SECRET_BITS = 128  # bits of the seed of held-out images: too many to try all

Loaded = tuple[str, NamedImages, NamedImages]  # the name that scores carry, the training images and the test images


@dataclass(frozen=True)
class Origin:
    """Describes where images come from.

    Attributes:
        key: is equal for two requests that mean the same images.
        load: called as load(per_file, progress); returns the name that scores on these images carry, the training
            images and the test images.
        more: called as more(count, secret, progress); returns images to hold out, which nobody can make without the
            secret seed. None where there are no further images: held-out ones are then taken from the training images.
    """

    key: str
    load: Callable[[int, Progress | None], Loaded]
    more: Callable[[int, int, Progress | None], NamedImages] | None = None


def from_synthetic(seed: int) -> Origin:
    """Make synthetic images, as many as are asked for. The same seed gives the same images."""

    def load(per_file: int, progress: Progress | None) -> Loaded:
        counts = {"train": 5 * per_file, "test": per_file}
        total, done = sum(counts.values()), 0
        splits = []
        for part, (name, count) in enumerate(counts.items()):
            labels = np.arange(count, dtype=np.int64) % len(CLASSES)

            def report(made: int, _: int, before: int = done) -> None:
                if progress:
                    progress("making images", before + made, total)

            images = synthetic.draw(labels, seed=2 * seed + part, progress=report)
            splits.append(NamedImages(images, labels, [f"{name}_{i:05d}.png" for i in range(count)]))
            done += count
        train, test = splits
        return "synthetic", train, test

    def more(count: int, secret: int, progress: Progress | None) -> NamedImages:
        labels = np.arange(count, dtype=np.int64) % len(CLASSES)
        report = partial(progress, "holding out") if progress else None
        # This seed is larger than any that `load` can have, so no secret gives the public images.
        images = synthetic.draw(labels, seed=2**SECRET_BITS + secret, progress=report)
        return NamedImages(images, labels, [f"holdout_{i:05d}.png" for i in range(count)])

    return Origin(f"synthetic, seed {seed}", load, more)


def from_images(path: Path) -> Origin:
    """Take images from `train/<class>/` and `test/<class>/` of a folder, tar or zip, spread evenly over each class.

    On loading, DataError is raised if the source or an image is damaged, or if there are too few images.
    """

    def load(per_file: int, progress: Progress | None) -> Loaded:
        files = read_files(path, progress)
        per_class = {"train": 5 * per_file // len(CLASSES), "test": per_file // len(CLASSES)}
        found = decode_files(files, path, per_class, progress)
        return describe(files, path.name.split(".")[0]), found["train"], found["test"]

    return Origin(f"{path.name}, {_fingerprint(path)}", load)


def from_archive(path: Path, *, md5: str = MD5) -> Origin:
    """Take images from the official `cifar-10-python.tar.gz`, without cats and dogs, and with labels 0 to 7.

    Args:
        path: the archive.
        md5: its checksum.

    Raises:
        DataError: there is no such file; and on loading, if it is another file, damaged, or has too few images.
    """

    def load(per_file: int, progress: Progress | None) -> Loaded:
        train, test = read_official(path, md5=md5, progress=progress)
        per_class = per_file // len(CLASSES)
        return "CIFAR-10", _first_of_each(train, 5 * per_class, path), _first_of_each(test, per_class, path)

    check_exists(path)
    return Origin(f"official archive, MD5 {md5}", load)


def from_download(archive: Path, *, url: str = URL, md5: str = MD5) -> Origin:
    """Take images from the official archive, which is downloaded to `archive` unless that file exists.

    On loading, DownloadError is raised if it can't be fetched; otherwise as in `from_archive`.
    """

    def load(per_file: int, progress: Progress | None) -> Loaded:
        if not archive.is_file():
            download(archive, url=url, md5=md5, progress=progress)
        return from_archive(archive, md5=md5).load(per_file, progress)

    return Origin(f"official archive, MD5 {md5}", load)


def _first_of_each(images: NamedImages, per_class: int, path: Path) -> NamedImages:
    """Return the first images of each of the eight classes, renumbered. Raises DataError when there are too few."""
    labels = renumber(images.labels, CIFAR10)
    chosen = [np.flatnonzero(labels == label) for label in range(len(CLASSES))]
    for name, indices in zip(CLASSES, chosen, strict=True):
        check_enough(len(indices), per_class, f"{path}: {name}")
    indices = np.sort(np.concatenate([indices[:per_class] for indices in chosen]))
    return NamedImages(images.images, labels, images.filenames).take(indices)


def _fingerprint(path: Path) -> str:
    """Return what tells two sources apart: for a file its checksum, for a folder, quickly, only the number and size."""
    if path.is_file():
        return f"sha256 {checksum(path)}"
    entries = [file for file in path.rglob("*") if file.is_file()]
    return f"{len(entries)} files, {sum(file.stat().st_size for file in entries)} bytes"
