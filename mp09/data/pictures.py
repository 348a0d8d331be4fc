"""Pictures of any size in a folder with one sub-folder a class, as torchvision's ImageFolder takes them.

`list_pictures` finds them, `load_pictures` makes an ImageSet of those that fit in memory; others are read one by one
with `read_picture`. Archives and the eight classes of the assignment are the work of `folders.py`.
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from math import prod
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mp09.data.folders import Progress
from mp09.data.imageset import ImageSet
from mp09.errors import DataError
from mp09.files import checksum

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # torchvision's IMG_EXTENSIONS
FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP", "GIF")  # the content decides; not EPS: it starts Ghostscript
SPLITS = {"train": ("train",), "valid": ("val", "valid", "validation"), "test": ("test",)}  # the first of each is taken
MEMORY_LIMIT = 2 * 2**30  # bytes
WORKERS = 4  # threads
BLOCK = 64  # pictures that a thread takes at a time


@dataclass(frozen=True)
class Listing:
    """Pictures by name.

    files: (N,), class by class
    labels: int64 (N,), indices into `classes`
    classes: the class names, sorted
    """

    files: tuple[Path, ...]
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    def take(self, indices: np.ndarray) -> "Listing":
        """The pictures at `indices` (M,); the classes stay."""
        return Listing(tuple(self.files[i] for i in indices), self.labels[indices], self.classes)


def list_pictures(folder: Path) -> Listing:
    """List the pictures of every class, at any depth of its sub-folder, in ImageFolder's order; hidden ones left out.

    Raises DataError when there is no such folder, it has no class folders, or some of them have no pictures.
    """
    folder = Path(folder)
    classes = _class_folders(folder)
    found = [_pictures_below(folder / name) for name in classes]
    if empty := [name for name, files in zip(classes, found, strict=True) if not files]:
        raise DataError(
            f"{folder}: {len(empty)} of {len(classes)} class folders have no pictures ({', '.join(SUFFIXES)}): "
            f"{shorten(empty)}. Fill or remove them."
        )
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(files) for files in found])
    return Listing(tuple(chain.from_iterable(found)), labels, classes)


def open_folders(root: Path) -> dict[str, Listing]:
    """List the folders `train`, `val` (or `valid`, `validation`) and `test` below `root`: "train", "valid", "test".

    Raises DataError when train is missing, or both of the others, or classes differ.
    """
    root = Path(root)
    folders = {split: next((n for n in names if (root / n).is_dir()), None) for split, names in SPLITS.items()}
    folders = {split: name for split, name in folders.items() if name}
    if "train" not in folders or len(folders) < 2:
        found = shorten(sorted(path.name for path in root.glob("*/"))) or "no folders"
        raise DataError(f"{root}: expected the folder train, and val or test or both, found {found}.")
    listings = {split: list_pictures(root / name) for split, name in folders.items()}
    check_same_classes(root, {name: listings[split] for split, name in folders.items()})
    return listings


def check_same_classes(root: Path, listings: dict[str, Listing]) -> None:
    """Raise DataError unless all listings, by the names of their folders in `root`, have the first one's classes."""
    (name, first), *others = ((name, set(listing.classes)) for name, listing in listings.items())
    for other, second in others:
        pairs = ((name, first - second), (other, second - first))
        if only := [f"only {folder} has {shorten(sorted(classes))}" for folder, classes in pairs if classes]:
            raise DataError(f"{root}: expected the same class folders in {name} and {other}; {'; '.join(only)}.")


def read_picture(path: Path) -> np.ndarray:
    """One picture as uint8 (3, H, W), planes R, G, B: upright as its EXIF says, transparency ignored, 16 bits cut to 8.

    Raises DataError, naming the file, when it is missing, damaged or truncated.
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            ImageOps.exif_transpose(picture, in_place=True)
            return np.ascontiguousarray(np.asarray(_rgb(picture)).transpose(2, 0, 1))
    except Exception as error:  # Pillow's decoders raise many kinds of error on damaged files
        raise DataError(f"{path}: not a readable picture ({_reason(error)}). Replace or remove it.") from error


def drop_unreadable(
    listing: Listing, *, progress: Progress | None = None, workers: int = WORKERS
) -> tuple[Listing, tuple[Path, ...]]:
    """Decode every picture once: those that can be read, and the files that can't.

    Raises DataError when a class loses all its pictures.
    """
    readable = np.ones(len(listing), dtype=bool)

    def check(i: int) -> None:
        try:
            read_picture(listing.files[i])
        except DataError:
            readable[i] = False

    _in_threads(check, len(listing), what="checking", workers=workers, progress=progress)
    kept = listing.take(np.flatnonzero(readable))
    dropped = tuple(listing.files[i] for i in np.flatnonzero(~readable))
    if lost := sorted(set(listing.labels) - set(kept.labels)):
        names, first = shorten([listing.classes[label] for label in lost]), list(listing.labels).index(lost[0])
        raise DataError(f"no readable picture of {names}; the first is {listing.files[first]}. Replace them.")
    return kept, dropped


def load_pictures(listing: Listing, *, progress: Progress | None = None, workers: int = WORKERS) -> ImageSet | None:
    """Decode all pictures into one array; None when they differ in size or would take more than MEMORY_LIMIT.

    Raises DataError for the first picture that is unreadable.
    """
    shape = read_picture(listing.files[0]).shape
    if len(listing) * prod(shape) > MEMORY_LIMIT:
        return None
    images = np.empty((len(listing), *shape), dtype=np.uint8)

    def load(i: int) -> None:
        picture = read_picture(listing.files[i])
        if picture.shape != shape:
            raise _OtherSizeError
        images[i] = picture

    try:
        _in_threads(load, len(listing), what="decoding", workers=workers, progress=progress)
    except _OtherSizeError:
        return None
    return ImageSet(images, listing.labels, listing.classes)


def digest(listing: Listing) -> str:
    """sha256 over names, from the class folder on, and contents: the same wherever the folder lies.

    It is that of the output of `sha256sum --zero class/a.jpg class/b.jpg ...`, in the order of the listing.
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
    """The names with commas, the first `limit` of a long list."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")


class _OtherSizeError(Exception):
    """A picture is not as large as the first one."""


def _class_folders(folder: Path) -> tuple[str, ...]:
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: expected a folder with one sub-folder a class ({error.strerror}).") from error
    classes = tuple(sorted(entry.name for entry in entries if entry.is_dir()))
    if not classes:
        loose = sum(_is_picture(entry.name) for entry in entries)
        found = f"{loose} pictures directly in it. Move each into a sub-folder of its class." if loose else "none."
        raise DataError(f"{folder}: expected one sub-folder a class, found {found}")
    if "train" in classes and set(classes) <= set(chain.from_iterable(SPLITS.values())):
        raise DataError(f"{folder}: expected one sub-folder a class, found the splits {', '.join(classes)}. Give one.")
    return classes


def _pictures_below(folder: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: could not be read ({error.strerror}).") from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [(parent, name) for name in names if _is_picture(name)]
    return [Path(parent, name) for parent, name in sorted(found)]


def _is_picture(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):  # convert() would clip at 255
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise ValueError("expected 8 or 16 bits a channel, got 32")
    picture.info.pop("transparency", None)  # convert() warns of some
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"its content is none of {', '.join(FORMATS)}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _in_threads(work: Callable[[int], None], count: int, *, what: str, workers: int, progress: Progress | None) -> None:
    """Call `work` with 0..count-1; the first error, in this order, ends it and is raised."""

    def block(start: int) -> int:
        stop = min(start + BLOCK, count)
        for i in range(start, stop):
            work(i)
        return stop

    with ThreadPoolExecutor(workers) as pool:
        for done in pool.map(block, range(0, count, BLOCK)):  # drops what has not begun when one fails
            if progress:
                progress(what, done, count)


def _root(listing: Listing) -> Path:
    """The folder that holds the class folders."""
    common = Path(os.path.commonpath([file.parent for file in listing.files]))
    if (listing.labels != listing.labels[0]).any():
        return common
    name = listing.classes[listing.labels[0]]  # all of one class: it is this folder or lies above
    return next(folder.parent for folder in (common, *common.parents) if folder.name == name)
