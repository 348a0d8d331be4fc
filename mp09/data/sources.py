"""The places pictures come from. Each gives (what to call them, train pictures, test pictures)."""

import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from mp09.data import synthetic
from mp09.data.cifar import CIFAR10, CLASSES, SHAPE, unpickle
from mp09.data.download import MD5, URL, download
from mp09.data.folders import Progress, check_end, decode, describe, read_files
from mp09.errors import DataError
from mp09.files import checksum

SECRET_BITS = 128  # of the seed that held-out images come from: too many to try


@dataclass(frozen=True)
class Pictures:
    """images uint8 (N, 3, 32, 32), labels int64 (N,) in 0..7, filenames (N,)."""

    images: np.ndarray
    labels: np.ndarray
    filenames: list[str]

    def take(self, indices: np.ndarray) -> "Pictures":
        return Pictures(self.images[indices], self.labels[indices], [self.filenames[i] for i in indices])


@dataclass(frozen=True)
class Origin:
    """`key` says whether two requests mean the same pictures; `load(per_file, progress)` gets them.

    `more(count, secret, progress)` gets images that nobody has who does not know the secret seed.
    None: there are no others, so those that are held out are taken from the train images.
    """

    key: str
    load: Callable[[int, Progress | None], tuple[str, Pictures, Pictures]]
    more: Callable[[int, int, Progress | None], Pictures] | None = None


def from_synthetic(seed: int) -> Origin:
    """Drawn pictures: as many as asked."""

    def load(per_file: int, progress: Progress | None):
        counts = {"train": 5 * per_file, "test": per_file}
        total, done = sum(counts.values()), 0
        splits = []
        for part, (name, count) in enumerate(counts.items()):
            labels = np.arange(count, dtype=np.int64) % len(CLASSES)
            report = progress and (lambda n, _, base=done: progress("drawing", base + n, total))
            images = synthetic.draw(labels, seed=2 * seed + part, progress=report)
            splits.append(Pictures(images, labels, [f"{name}_{i:05d}.png" for i in range(count)]))
            done += count
        return ("synthetic", *splits)

    def more(count: int, secret: int, progress: Progress | None) -> Pictures:
        labels = np.arange(count, dtype=np.int64) % len(CLASSES)
        report = progress and (lambda n, total: progress("holding out", n, total))
        # Above every seed that `load` can have, so that no secret gives public images.
        images = synthetic.draw(labels, seed=2**SECRET_BITS + secret, progress=report)
        return Pictures(images, labels, [f"holdout_{i:05d}.png" for i in range(count)])

    return Origin(f"synthetic, seed {seed}", load, more)


def from_images(path: Path) -> Origin:
    """Pictures in `train/<class>/*` and `test/<class>/*` of a folder, tar or zip."""

    def load(per_file: int, progress: Progress | None):
        files = read_files(path, progress)
        stem = path.name.split(".")[0]
        per_class = {"train": 5 * per_file // len(CLASSES), "test": per_file // len(CLASSES)}
        total, done = sum(per_class.values()) * len(CLASSES), 0
        splits = []
        for split, wanted in per_class.items():
            images, labels, names = [], [], []
            for label, cls in enumerate(CLASSES):
                for name, content in _evenly(files[split, cls], wanted, f"{path}: {split}/{cls}"):
                    images.append(decode(f"{path}: {split}/{cls}/{name}", content))
                    labels.append(label)
                    names.append(f"{cls}_{name}")
                done += wanted
                if progress:
                    progress("decoding", done, total)
            splits.append(Pictures(np.stack(images), np.array(labels, dtype=np.int64), names))
        return (describe(files, stem), *splits)

    return Origin(f"{path.name}, {_fingerprint(path)}", load)


def from_archive(path: Path, *, md5: str = MD5) -> Origin:
    """The official `cifar-10-python.tar.gz`: cat and dog left out, labels renumbered."""

    def load(per_file: int, progress: Progress | None):
        if (found := checksum(path, "md5")) != md5:
            raise DataError(f"{path}: expected MD5 {md5} of the official archive, got {found}. Fetch it again.")
        batches = _archive_batches(path, progress)
        train = _eight_classes([batches[f"data_batch_{i}"] for i in range(1, 6)], path)
        test = _eight_classes([batches["test_batch"]], path)
        per_class = per_file // len(CLASSES)
        return ("CIFAR-10", _first_of_each(train, 5 * per_class, path), _first_of_each(test, per_class, path))

    if not path.is_file():
        raise DataError(f"{path}: no such file. Expected the official cifar-10-python.tar.gz.")
    return Origin(f"official archive, MD5 {md5}", load)


def from_download(archive: Path, *, url: str = URL, md5: str = MD5) -> Origin:
    """The official archive, fetched to `archive` first unless it lies there already."""

    def load(per_file: int, progress: Progress | None):
        if not archive.is_file():
            download(archive, url=url, md5=md5, progress=progress)
        return from_archive(archive, md5=md5).load(per_file, progress)

    return Origin(f"official archive, MD5 {md5}", load)


def _evenly(files: list, wanted: int, where: str) -> list:
    """`wanted` of the files, spread over the whole list."""
    if len(files) < wanted:
        raise DataError(f"{where}: expected at least {wanted} pictures, found {len(files)}. Ask for fewer: --per-file.")
    return [files[i * len(files) // wanted] for i in range(wanted)]


def _first_of_each(pictures: Pictures, per_class: int, path: Path) -> Pictures:
    chosen = [np.flatnonzero(pictures.labels == label) for label in range(len(CLASSES))]
    for label, indices in enumerate(chosen):
        _evenly(list(indices), per_class, f"{path}: {CLASSES[label]}")
    return pictures.take(np.sort(np.concatenate([indices[:per_class] for indices in chosen])))


def _archive_batches(path: Path, progress: Progress | None) -> dict[str, dict]:
    batches = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if member.isfile() and (name == "batches.meta" or "_batch" in name):
                    batches[name] = unpickle(archive.extractfile(member).read(), name=f"{path}: {name}")
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


def _eight_classes(batches: list[dict], path: Path) -> Pictures:
    renumber = np.array([CLASSES.index(name) if name in CLASSES else -1 for name in CIFAR10])
    try:
        images = np.concatenate([np.asarray(b[b"data"], dtype=np.uint8).reshape(-1, *SHAPE) for b in batches])
        labels = renumber[np.concatenate([np.asarray(b[b"labels"]) for b in batches])]
        names = [name.decode() for b in batches for name in b[b"filenames"]]
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(f"{path}: a batch is not as in the official archive ({error!r}). Fetch it again.") from error
    return Pictures(images, labels, names).take(np.flatnonzero(labels >= 0))


def _fingerprint(path: Path) -> str:
    """Tells whether two files or folders are the same, cheaply: a file by its bytes, a folder by its file sizes."""
    if path.is_file():
        return f"sha256 {checksum(path)}"
    entries = [file for file in path.rglob("*") if file.is_file()]
    return f"{len(entries)} files, {sum(file.stat().st_size for file in entries)} bytes"
