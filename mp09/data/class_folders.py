"""Reads images of any size from a folder with one sub-folder for each class, as torchvision's ImageFolder does.

`list_images` finds the files. `load_images` loads them into an ImageSet if they fit in memory; otherwise
`image_files.read_image` reads them one by one. This module does not read archives, and knows nothing of the
assignment's eight classes: see `archives.py` for both.
"""

import hashlib
import os
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from math import prod
from pathlib import Path

import numpy as np

from mp09.data.archives import Progress
from mp09.data.image_files import SUFFIXES, files_below, is_image, read_image, tell_left_aside
from mp09.data.imageset import ImageSet
from mp09.errors import DataError
from mp09.files import checksum

SPLITS = {"train": ("train",), "valid": ("val", "valid", "validation"), "test": ("test",)}  # the first of each is used
MEMORY_LIMIT = 2 * 2**30  # bytes of all images together
WORKERS = 4  # threads that decode images
NO_TEXT = ("Cc", "Cs", "Zl", "Zp")  # kinds of characters: control codes, what is not UTF-8, and line breaks
BLOCK = 64  # images that a thread takes at a time


@dataclass(frozen=True)
class Listing:
    """Lists labelled image files.

    Attributes:
        files: N paths, class by class.
        labels: int64 (N,), indices into `classes`.
        classes: the class names, sorted.
    """

    files: tuple[Path, ...]
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    def take(self, indices: np.ndarray) -> "Listing":
        """Return the files at `indices` (M,), with the same classes."""
        return Listing(tuple(self.files[i] for i in indices), self.labels[indices], self.classes)


def list_images(folder: Path, *, beside: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> Listing:
    """List the images of every class, at any depth of its sub-folder and in ImageFolder's order.

    Hidden files and folders are left out. Mp09Warning tells of other files that are no images.

    Args:
        folder: has one sub-folder for each class.
        beside: endings of other files that belong there, and of which nothing is told.
        skip: names of sub-folders that are no classes.

    Raises:
        DataError: there is no such folder, it has no class folders, or some of them have no images.
    """
    folder = Path(folder)
    by_class: dict[str, str] = {}  # a name may be written in several ways in Unicode, of which one counts
    for name in _class_folders(folder):
        if name not in skip and by_class.setdefault(unicodedata.normalize("NFC", name), name) != name:
            raise DataError(f"{folder}: two class folders are called {name!r}, in two ways of Unicode. Rename one.")
    classes = tuple(sorted(by_class))
    below = [files_below(folder / by_class[name]) for name in classes]
    found = [[file for file in files if is_image(file.name)] for files in below]
    others = [file.name for file in chain.from_iterable(below) if not file.name.lower().endswith((*SUFFIXES, *beside))]
    tell_left_aside(folder, others)
    if empty := [name for name, files in zip(classes, found, strict=True) if not files]:
        raise DataError(
            f"{folder}: {len(empty)} of {len(classes)} class folders have no images ({', '.join(SUFFIXES)}): "
            f"{shorten(empty)}. Fill or remove them."
        )
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(files) for files in found])
    return Listing(tuple(chain.from_iterable(found)), labels, classes)


def open_folders(root: Path) -> dict[str, Listing]:
    """List the images of the folders `train`, `val` (or `valid`, or `validation`) and `test` below `root`.

    Returns:
        The listings by split. There is "train", and "valid" or "test" or both.

    Raises:
        DataError: `train` is missing, both of the others are, or the classes differ.
    """
    root = Path(root)
    # The last of these names that is there wins, so they come in reverse.
    folders = {split: name for split, names in SPLITS.items() for name in reversed(names) if (root / name).is_dir()}
    if "train" not in folders or len(folders) < 2:
        found = shorten(sorted(path.name for path in root.glob("*/"))) or "no folders"
        raise DataError(f"{root}: expected the folder train, and val or test or both, found {found}.")
    listings = {split: list_images(root / name) for split, name in folders.items()}
    check_same_classes(root, {name: listings[split] for split, name in folders.items()})
    return listings


def check_same_classes(root: Path, listings: dict[str, Listing]) -> None:
    """Raise DataError unless all listings have the same classes; they come by the names of their folders in `root`."""
    (name, first), *others = ((name, set(listing.classes)) for name, listing in listings.items())
    for other, second in others:
        pairs = ((name, first - second), (other, second - first))
        if only := [f"only {folder} has {shorten(sorted(classes))}" for folder, classes in pairs if classes]:
            raise DataError(f"{root}: expected the same class folders in {name} and {other}; {'; '.join(only)}.")


def drop_unreadable(
    listing: Listing, *, progress: Progress | None = None, workers: int = WORKERS
) -> tuple[Listing, tuple[Path, ...]]:
    """Decode every image once, to find those that can't be read.

    Args:
        listing: the images.
        progress: called as progress("checking", done, total).
        workers: threads that decode images.

    Returns:
        The listing of the images that can be read, and the other files.

    Raises:
        DataError: a class has no readable image.
    """
    readable = np.ones(len(listing), dtype=bool)

    def check(i: int) -> None:
        try:
            read_image(listing.files[i])
        except DataError:
            readable[i] = False

    _in_threads(check, len(listing), what="checking", workers=workers, progress=progress)
    kept = listing.take(np.flatnonzero(readable))
    dropped = tuple(listing.files[i] for i in np.flatnonzero(~readable))
    if lost := sorted(set(listing.labels) - set(kept.labels)):
        names, first = shorten([listing.classes[label] for label in lost]), list(listing.labels).index(lost[0])
        raise DataError(f"no readable image of {names}; the first is {listing.files[first]}. Replace them.")
    return kept, dropped


def load_images(listing: Listing, *, progress: Progress | None = None, workers: int = WORKERS) -> ImageSet | None:
    """Decode all images into one array.

    Args:
        listing: the images.
        progress: called as progress("decoding", done, total).
        workers: threads that decode images.

    Returns:
        The images, or None when they differ in size or would take more than MEMORY_LIMIT.

    Raises:
        DataError: an image can't be read; the message names the first one.
    """
    shape = read_image(listing.files[0]).shape
    if len(listing) * prod(shape) > MEMORY_LIMIT:
        return None
    images = np.empty((len(listing), *shape), dtype=np.uint8)

    def load(i: int) -> None:
        image = read_image(listing.files[i])
        if image.shape != shape:
            raise _OtherSizeError
        images[i] = image

    try:
        _in_threads(load, len(listing), what="decoding", workers=workers, progress=progress)
    except _OtherSizeError:
        return None
    return ImageSet(images, listing.labels, listing.classes)


def digest(listing: Listing) -> str:
    """Return the sha256 of all names, from the class folder on, and contents. It does not depend on the folder's path.

    It is the sha256 of what `sha256sum --zero class/a.jpg class/b.jpg ...` prints, with the files in the order of the
    listing. Raises DataError when a file can't be read.
    """
    total = hashlib.sha256()
    root = _root(listing)
    for file in listing.files:
        try:
            content = checksum(file)
        except OSError as error:
            raise DataError(f"{file}: could not be read ({error.strerror}). Replace or remove it.") from error
        total.update(f"{content}  ".encode() + os.fsencode(file.relative_to(root).as_posix()) + b"\0")
    return total.hexdigest()


def shorten(names: Sequence[str], limit: int = 5) -> str:
    """Join names with commas; of more than `limit` names, the first ones and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


class _OtherSizeError(Exception):
    """Says that an image has another size than the first one."""


def _class_folders(folder: Path) -> tuple[str, ...]:
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: expected a folder with one sub-folder a class ({error.strerror}).") from error
    classes = tuple(sorted(entry.name for entry in entries if entry.is_dir()))
    if unfit := [name for name in classes if any(unicodedata.category(char) in NO_TEXT for char in name)]:
        raise DataError(f"{folder}: the name of the class folder {unfit[0]!r} can't be shown as text. Rename it.")
    if not classes:
        loose = sum(is_image(entry.name) for entry in entries)
        found = f"{loose} images directly in it. Move each into a sub-folder of its class." if loose else "none."
        raise DataError(f"{folder}: expected one sub-folder a class, found {found}")
    if "train" in classes and set(classes) <= set(chain.from_iterable(SPLITS.values())):
        raise DataError(f"{folder}: expected one sub-folder a class, found the splits {', '.join(classes)}. Give one.")
    return classes


def _in_threads(work: Callable[[int], None], count: int, *, what: str, workers: int, progress: Progress | None) -> None:
    """Call `work` with 0 to count - 1 in several threads. The error of the lowest number is raised, and ends it all."""

    def block(start: int) -> int:
        stop = min(start + BLOCK, count)
        for i in range(start, stop):
            work(i)
        return stop

    with ThreadPoolExecutor(workers) as pool:
        for done in pool.map(block, range(0, count, BLOCK)):  # after an error, blocks that have not begun are dropped
            if progress:
                progress(what, done, count)


def _root(listing: Listing) -> Path:
    """Return the folder that holds the class folders."""
    common = Path(os.path.commonpath([file.parent for file in listing.files]))
    if (listing.labels != listing.labels[0]).any():
        return common
    name = listing.classes[listing.labels[0]]  # with a single class, the common folder is the class folder or below it
    return next(
        folder.parent for folder in (common, *common.parents) if unicodedata.normalize("NFC", folder.name) == name
    )
