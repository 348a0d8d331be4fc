"""Tiny ImageNet 200 as its archive unpacks (Le and Yang, Stanford CS231n, 2015): 64x64 pictures of 200 classes.

    wnids.txt                     the classes, by their WordNet numbers
    words.txt                     what each number means
    train/<wnid>/images/*.JPEG    500 a class
    val/images/*.JPEG             50 a class, all together
    val/val_annotations.txt       which class each has
    val_by_class/<wnid>/*.JPEG    made here from the two above

The pictures in `test/` have no labels and are not used, the boxes neither.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mp09.data.pictures import Listing, check_same_classes, list_pictures, shorten
from mp09.errors import DataError
from mp09.files import atomic_write, checksum, write_text

WNIDS = "wnids.txt"
VAL_FOLDER = "val_by_class"
COMPLETE = ".complete"  # in VAL_FOLDER, written last: the sha256 of the annotations that it was made from

_ANNOTATION = re.compile(r"([^/\\\t]+)\t(n\d{8})(\t.*)?")  # file name, wnid, box
_WNID = re.compile(r"n\d{8}")
_WORD = re.compile(r"(n\d{8})\t(.*\S.*)")


def is_tiny_imagenet(root: Path) -> bool:
    """Whether `root` has the layout above."""
    root = Path(root)
    return (root / WNIDS).is_file() and (root / "train").is_dir() and (root / "val").is_dir()


def open_tiny_imagenet(root: Path) -> tuple[Listing, Listing]:
    """List the training and the validation pictures; the classes are wnids.

    Raises DataError when something is missing, or the classes of the two differ.
    """
    root = Path(root)
    if not is_tiny_imagenet(root):
        raise DataError(
            f"{root}: not Tiny ImageNet (wnids.txt, train/, val/). Make it from its archive: python -m mp09 "
            "tiny-imagenet prepare tiny-imagenet-200.zip"
        )
    train = list_pictures(root / "train")
    val = list_pictures(create_val_folder(root))
    check_same_classes(root, {"train": train, VAL_FOLDER: val})
    return train, val


def create_val_folder(root: Path) -> Path:
    """Make `val_by_class/<wnid>/` with the validation pictures, and return it; a complete one is left as it is.

    The pictures stay where they are: these are hard links, or copies where the file system has none. They are also
    found where the usual scripts move them, in `val/<wnid>` or `val/images/<wnid>`. What was interrupted goes on.

    Raises DataError when the annotations or pictures are missing or malformed, or the folder can't be written.
    """
    folder = Path(root) / VAL_FOLDER
    annotations = Path(root) / "val" / "val_annotations.txt"
    lines = _lines(annotations)
    made_from = checksum(annotations)
    if (folder / COMPLETE).is_file():
        if (folder / COMPLETE).read_text() != made_from:
            raise DataError(f"{folder}: was made from another val_annotations.txt. Remove this folder and run again.")
        return folder
    classes = _classes(annotations, lines, known=set(_lines(Path(root) / WNIDS)))
    pictures = _find(annotations.parent, classes)
    try:
        for wnid in set(classes.values()):
            (folder / wnid).mkdir(parents=True, exist_ok=True)
        for name, source in pictures.items():
            _link(source, folder / classes[name] / name)
        write_text(folder / COMPLETE, made_from)
    except OSError as error:
        raise DataError(
            f"{folder}: could not be made ({error.strerror}). Copy the data set to where you may write and have space."
        ) from error
    return folder


def words(root: Path) -> dict[str, str]:
    """What each wnid of WordNet means: "n01443537" -> "goldfish, Carassius auratus".

    Raises DataError when `words.txt` is missing or a line of it malformed.
    """
    path = Path(root) / "words.txt"
    names = {}
    for number, line in enumerate(_lines(path), 1):
        if not (match := _WORD.fullmatch(line)):
            raise DataError(f"{path}, line {number}: expected a wnid, a tab and a name, got {line!r}.")
        names[match[1]] = match[2]
    return names


def short_names(root: Path, wnids: Sequence[str]) -> tuple[str, ...]:
    """The first name of each wnid, "goldfish"; with the wnid where two would be equal, "crane (n02012849)".

    A wnid without a name stands for itself. Raises DataError as `words` does.
    """
    known = words(root)
    first = [known.get(wnid, wnid).split(",")[0].strip() for wnid in wnids]
    times = Counter(first)
    return tuple(name if times[name] == 1 else f"{name} ({wnid})" for name, wnid in zip(first, wnids, strict=True))


def read_class_names(path: Path) -> tuple[str, ...]:
    """A text file with one class name a line; wnids that have a `words.txt` beside them get their names.

    Raises DataError when it can't be read or is empty.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path}: expected a text file with one class name a line ({reason}).") from error
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
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path}: expected this file of Tiny ImageNet 200 ({reason}). Unpack it again.") from error


def _classes(path: Path, lines: list[str], *, known: set[str]) -> dict[str, str]:
    """File name -> wnid, as the annotations say."""
    classes = {}
    for number, line in enumerate(lines, 1):
        if not (match := _ANNOTATION.fullmatch(line)):
            raise DataError(f"{path}, line {number}: expected a file name, a tab and a wnid, got {line!r}.")
        name, wnid = match[1], match[2]
        if wnid not in known:
            raise DataError(f"{path}, line {number}: {wnid} of {name} does not stand in wnids.txt. Unpack both again.")
        if classes.setdefault(name, wnid) != wnid:
            raise DataError(f"{path}, line {number}: {name} is {wnid} here and {classes[name]} above. Unpack it again.")
    if bare := sorted(known - set(classes.values())):
        raise DataError(f"{path}: expected pictures of all classes in wnids.txt, got none of {shorten(bare)}.")
    return classes


def _find(val: Path, classes: dict[str, str]) -> dict[str, Path]:
    """File name -> where the picture lies."""
    found = {}
    for name, wnid in classes.items():
        for folder in ("images", wnid, f"images/{wnid}", f"{wnid}/images"):
            if (val / folder / name).is_file():
                found[name] = val / folder / name
                break
    if missing := [name for name in classes if name not in found]:
        raise DataError(
            f"{val / 'images'}: {len(missing)} of {len(classes)} annotated pictures are missing: {shorten(missing)}. "
            "Unpack the archive again."
        )
    return found


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links; what else is wrong shows when copying
        with atomic_write(target) as file:
            file.write(source.read_bytes())
