"""Reads Tiny ImageNet 200 (Le and Yang, Stanford CS231n, 2015): images of 64x64 pixels in 200 classes.

This is how its archive unpacks:

    wnids.txt                     the classes, by their WordNet numbers (wnids)
    words.txt                     what each number means
    train/<wnid>/images/*.JPEG    500 images of each class
    val/images/*.JPEG             50 images of each class, all in one folder
    val/val_annotations.txt       the class of each of them
    val_by_class/<wnid>/*.JPEG    made by this module from the two above

The images in `test/` are not used, because they have no labels. The bounding boxes are not used either.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mp09.data.class_folders import Listing, check_same_classes, list_images, shorten
from mp09.errors import DataError
from mp09.files import atomic_write, checksum, write_text

WNIDS = "wnids.txt"
BOXES = (".txt",)  # endings of the files with bounding boxes, which nobody needs
ANNOTATIONS = "val_annotations.txt"
VAL_FOLDER = "val_by_class"
COMPLETE = ".complete"  # is written last into VAL_FOLDER; holds the sha256 of the annotations

_ANNOTATION = re.compile(r"([^/\\\t]+)\t(n\d{8})(\t.*)?")  # file name, wnid, box
_WNID = re.compile(r"n\d{8}")
_WORD = re.compile(r"(n\d{8})\t(.*\S.*)")


def is_tiny_imagenet(root: Path) -> bool:
    """Say whether `root` has the layout that is described at the top of this file."""
    root = Path(root)
    return (root / WNIDS).is_file() and (root / "train").is_dir() and (root / "val").is_dir()


def open_tiny_imagenet(root: Path) -> tuple[Listing, Listing]:
    """List the training images and the validation images, with wnids as classes.

    If there is no `val_by_class` yet, it is made. Where other scripts have sorted the validation images into
    `val/<wnid>` or `val/images/<wnid>` and removed the annotations, those folders are taken as they are.

    Raises:
        DataError: something is missing, or the classes of the two splits differ.
    """
    root = Path(root)
    if not is_tiny_imagenet(root):
        raise DataError(
            f"{root}: not Tiny ImageNet (wnids.txt, train/, val/). Make it from its archive: python -m mp09 "
            "tiny-imagenet prepare tiny-imagenet-200.zip"
        )
    train = list_images(root / "train", beside=BOXES)
    folder = _sorted_val_folder(root) or create_val_folder(root)
    val = list_images(folder, beside=BOXES, skip=("images",))
    check_same_classes(root, {"train": train, folder.relative_to(root).as_posix(): val})
    return train, val


def _sorted_val_folder(root: Path) -> Path | None:
    """Return the folder whose sub-folders are wnids, where the annotations are gone; None where they are there."""
    if (root / "val" / ANNOTATIONS).exists():
        return None
    folders = (root / "val", root / "val" / "images")
    return next((folder for folder in folders if any(_WNID.fullmatch(path.name) for path in folder.glob("n*/"))), None)


def create_val_folder(root: Path) -> Path:
    """Make the folder `val_by_class` with the validation images in `<wnid>/`, and return its path.

    The images stay where they are; the new files are hard links to them, or copies where the file system has no hard
    links. The images are also found where other scripts usually move them: in `val/<wnid>`, `val/images/<wnid>` or
    `val/<wnid>/images`. A complete folder is kept, and an interrupted run is continued.

    Args:
        root: the folder of Tiny ImageNet.

    Raises:
        DataError: annotations or images are missing or malformed, or the folder can't be written.
    """
    folder = Path(root) / VAL_FOLDER
    annotations = Path(root) / "val" / ANNOTATIONS
    lines = _lines(annotations)
    made_from = checksum(annotations)
    if (folder / COMPLETE).is_file():
        if (folder / COMPLETE).read_text() != made_from:
            raise DataError(f"{folder}: was made from another val_annotations.txt. Remove this folder and run again.")
        return folder
    classes = _classes(annotations, lines, known=set(_lines(Path(root) / WNIDS)))
    images = _find(annotations.parent, classes)
    try:
        for wnid in set(classes.values()):
            (folder / wnid).mkdir(parents=True, exist_ok=True)
        for name, source in images.items():
            _link(source, folder / classes[name] / name)
        write_text(folder / COMPLETE, made_from)
    except OSError as error:
        raise DataError(
            f"{folder}: could not be made ({error.strerror}). Copy the data set to where you may write and have space."
        ) from error
    return folder


def words(root: Path) -> dict[str, str]:
    """Read what each wnid means, e.g. "goldfish, Carassius auratus" for "n01443537".

    Raises DataError when `words.txt` is missing, or one of its lines is malformed.
    """
    path = Path(root) / "words.txt"
    names = {}
    for number, line in enumerate(_lines(path), 1):
        if not (match := _WORD.fullmatch(line)):
            raise DataError(f"{path}, line {number}: expected a wnid, a tab and a name, got {line!r}.")
        names[match[1]] = match[2]
    return names


def short_names(root: Path, wnids: Sequence[str]) -> tuple[str, ...]:
    """Return the first name of each wnid, e.g. "goldfish".

    Where two names would be equal, the wnid is added: "crane (n02012849)". A wnid without a name is its own name.
    Raises DataError as `words` does.
    """
    known = words(root)
    first = [known.get(wnid, wnid).split(",")[0].strip() for wnid in wnids]
    times = Counter(first)
    return tuple(name if times[name] == 1 else f"{name} ({wnid})" for name, wnid in zip(first, wnids, strict=True))


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read a text file with one class name on each line.

    If all of them are wnids, and `words.txt` is in the same folder, they are replaced by their short names. Raises
    DataError when a file can't be read, or has no names.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a text file with one class name a line ({_reason(error)}).") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise DataError(f"{path}: expected one class name a line, found none.")
    if (path.parent / "words.txt").is_file() and all(_WNID.fullmatch(name) for name in names):
        return short_names(path.parent, names)
    return names


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: expected this file of Tiny ImageNet 200 ({_reason(error)}). Unpack it again."
        ) from error


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (isinstance(error, OSError) and error.strerror) or "not UTF-8 text"


def _classes(path: Path, lines: list[str], *, known: set[str]) -> dict[str, str]:
    """Return the wnid of each file name, as the annotations say."""
    classes: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not (match := _ANNOTATION.fullmatch(line)):
            raise DataError(f"{path}, line {number}: expected a file name, a tab and a wnid, got {line!r}.")
        name, wnid = match[1], match[2]
        if wnid not in known:
            raise DataError(f"{path}, line {number}: {wnid} of {name} does not stand in wnids.txt. Unpack both again.")
        if classes.setdefault(name, wnid) != wnid:
            raise DataError(f"{path}, line {number}: {name} is {wnid} here and {classes[name]} above. Unpack it again.")
    if bare := sorted(known - set(classes.values())):
        raise DataError(f"{path}: expected images of all classes in wnids.txt, got none of {shorten(bare)}.")
    return classes


def _find(val: Path, classes: dict[str, str]) -> dict[str, Path]:
    """Return the path of the image for each file name."""
    found = {}
    for name, wnid in classes.items():
        for folder in ("images", wnid, f"images/{wnid}", f"{wnid}/images"):
            if (val / folder / name).is_file():
                found[name] = val / folder / name
                break
    if missing := [name for name in classes if name not in found]:
        raise DataError(
            f"{val / 'images'}: {len(missing)} of {len(classes)} annotated images are missing: {shorten(missing)}. "
            "Unpack the archive again."
        )
    return found


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:  # there are no hard links here; any other error occurs again on copying
        with atomic_write(target) as file:
            file.write(source.read_bytes())
