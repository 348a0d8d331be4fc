"""Gets the images of a data folder: synthetic ones, image files, or the official archive of CIFAR-10."""

import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np

from mp09.data import synthetic
from mp09.data.archives import Progress, check_end, decode, describe, read_files
from mp09.data.cifar import CIFAR10, CLASSES, SHAPE, unpickle
from mp09.data.download import MD5, URL, download
from mp09.errors import DataError
from mp09.files import checksum

SECRET_BITS = 128  # bits of the seed of held-out images: too many to try all

Candidate = TypeVar("Candidate")


@dataclass(frozen=True)
class NamedImages:
    """Holds images with their labels and file names.

    Attributes:
        images: uint8 (N, 3, 32, 32), planes R, G, B, values 0 to 255.
        labels: int64 (N,), 0 to 7.
        filenames: N names.
    """

    images: np.ndarray
    labels: np.ndarray
    filenames: list[str]

    def take(self, indices: np.ndarray) -> "NamedImages":
        return NamedImages(self.images[indices], self.labels[indices], [self.filenames[i] for i in indices])


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
                    progress("drawing", before + made, total)

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
        stem = path.name.split(".")[0]
        per_class = {"train": 5 * per_file // len(CLASSES), "test": per_file // len(CLASSES)}
        total, done = sum(per_class.values()) * len(CLASSES), 0
        splits = []
        for split, wanted in per_class.items():
            images: list[np.ndarray] = []
            labels: list[int] = []
            names: list[str] = []
            for label, cls in enumerate(CLASSES):
                for name, content in _evenly(files[split, cls], wanted, f"{path}: {split}/{cls}"):
                    images.append(decode(f"{path}: {split}/{cls}/{name}", content))
                    labels.append(label)
                    names.append(f"{cls}_{name}")
                done += wanted
                if progress:
                    progress("decoding", done, total)
            splits.append(NamedImages(np.stack(images), np.array(labels, dtype=np.int64), names))
        train, test = splits
        return describe(files, stem), train, test

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
        if (found := checksum(path, "md5")) != md5:
            raise DataError(f"{path}: expected MD5 {md5} of the official archive, got {found}. Fetch it again.")
        batches = _archive_batches(path, progress)
        train = _eight_classes([batches[f"data_batch_{i}"] for i in range(1, 6)], path)
        test = _eight_classes([batches["test_batch"]], path)
        per_class = per_file // len(CLASSES)
        return "CIFAR-10", _first_of_each(train, 5 * per_class, path), _first_of_each(test, per_class, path)

    if not path.is_file():
        raise DataError(f"{path}: no such file. Expected the official cifar-10-python.tar.gz.")
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


def _evenly(files: Sequence[Candidate], wanted: int, where: str) -> list[Candidate]:
    """Return `wanted` of the files, spread evenly over the whole list. Raises DataError when there are fewer."""
    if len(files) < wanted:
        raise DataError(f"{where}: expected at least {wanted} images, found {len(files)}. Ask for fewer: --per-file.")
    return [files[i * len(files) // wanted] for i in range(wanted)]


def _first_of_each(images: NamedImages, per_class: int, path: Path) -> NamedImages:
    chosen = [np.flatnonzero(images.labels == label) for label in range(len(CLASSES))]
    for label, indices in enumerate(chosen):
        _evenly(indices.tolist(), per_class, f"{path}: {CLASSES[label]}")
    return images.take(np.sort(np.concatenate([indices[:per_class] for indices in chosen])))


def _archive_batches(path: Path, progress: Progress | None) -> dict[str, dict]:
    batches = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                wanted = member.isfile() and (name == "batches.meta" or "_batch" in name)
                if wanted and (file := archive.extractfile(member)):
                    batches[name] = unpickle(file.read(), name=f"{path}: {name}")
                    if progress:
                        progress("reading", len(batches), 7)
            check_end(archive)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a complete archive ({error}). Fetch it again.") from error
    expected = {"batches.meta", "test_batch", *(f"data_batch_{i}" for i in range(1, 6))}
    if missing := sorted(expected - batches.keys()):
        raise DataError(
            f"{path}: {', '.join(missing)} not in the archive. Expected the official cifar-10-python.tar.gz."
        )
    _check_names(batches["batches.meta"], path)
    return batches


def _check_names(meta: dict, path: Path) -> None:
    names = tuple(name.decode() for name in meta.get(b"label_names", ()))
    if names != CIFAR10:
        raise DataError(f"{path}: expected the class names {', '.join(CIFAR10)}; got {', '.join(names) or 'none'}.")


def _eight_classes(batches: list[dict], path: Path) -> NamedImages:
    renumber = np.array([CLASSES.index(name) if name in CLASSES else -1 for name in CIFAR10])
    try:
        images = np.concatenate([np.asarray(b[b"data"], dtype=np.uint8).reshape(-1, *SHAPE) for b in batches])
        labels = renumber[np.concatenate([np.asarray(b[b"labels"]) for b in batches])]
        names = [name.decode() for b in batches for name in b[b"filenames"]]
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(f"{path}: a batch is not as in the official archive ({error!r}). Fetch it again.") from error
    return NamedImages(images, labels, names).take(np.flatnonzero(labels >= 0))


def _fingerprint(path: Path) -> str:
    """Return what tells two sources apart: for a file its checksum, for a folder, quickly, only the number and size."""
    if path.is_file():
        return f"sha256 {checksum(path)}"
    entries = [file for file in path.rglob("*") if file.is_file()]
    return f"{len(entries)} files, {sum(file.stat().st_size for file in entries)} bytes"
