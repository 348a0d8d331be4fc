"""Tells what labelled images show, and which outputs of a model mean the same.

A label has names ("crane"). Where they are known, it also has its WordNet number (wnid), which tells the bird from the
machine, or its index among ImageNet's thousand classes. Where it is not certain which output is meant, there is an
error: an image is never counted for an output that only might be right.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mp09.data.class_folders import Listing, shorten
from mp09.data.tiny_imagenet import read_class_names, words
from mp09.errors import DataError

TABLE = "labels.tsv"  # in a folder of images; its columns are file, and wnid, label or imagenet_index
WORDS = "words.txt"
NAMES = "classes.txt"  # one class name on each line, in the order of their numbers

_WNID = re.compile(r"n\d{8}")


@dataclass(frozen=True)
class Label:
    """Says what an image shows, or what an output of a model means.

    Attributes:
        names: the usual name first.
        wnid: the WordNet number, such as n01443537, if it is known.
        index: the index among ImageNet's classes, 0 to 999, if it is known.
    """

    names: tuple[str, ...]
    wnid: str | None = None
    index: int | None = None

    def __str__(self) -> str:
        return self.names[0] if self.names else self.wnid or f"class {self.index}"


def labels_of(classes: Sequence[str], beside: Path | None = None) -> tuple[Label, ...]:
    """Turn class names into labels.

    Args:
        classes: the class names. Those that are wnids get their names from `words.txt`.
        beside: the folder with `words.txt`; without it, wnids have no names.

    Raises:
        DataError: `words.txt` is damaged.
    """
    known = words(beside) if beside and (beside / WORDS).is_file() and any(map(_WNID.fullmatch, classes)) else {}
    return tuple(
        Label(tuple(name.strip() for name in known.get(text, "").split(",") if name), text)
        if _WNID.fullmatch(text)
        else Label((text,))
        for text in classes
    )


def read_outputs(path: Path) -> tuple[Label, ...]:
    """Read what the outputs of a model mean from a text file with a class on each line: a name or a wnid.

    If all of them are wnids, their names come from the `words.txt` in the same folder, if there is one. Raises
    DataError when a file can't be read or has no lines.
    """
    path = Path(path)
    shown = read_class_names(path)
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    return tuple(replace(label, names=(name,)) for label, name in zip(labels_of(lines), shown, strict=True))


def read_table(folder: Path) -> tuple[Listing, tuple[Label, ...]]:
    """Read `labels.tsv` in a folder of images.

    Returns:
        The images that it names, in its order, and the labels of their classes, to which the listing's labels point.

    Raises:
        DataError: the table, a column, a file or a value is missing or wrong; for a value, the message has its line.
    """
    path = Path(folder) / TABLE
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        reader = csv.DictReader(lines, delimiter="\t", strict=True)  # strict: a lone " is an error, and eats no lines
        numbered = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a table of UTF-8 text with tabs ({error}).") from error
    rows = [row for _, row in numbered]
    columns = set(rows[0]) if rows else set()
    if "file" not in columns or not columns & {"wnid", "label", "imagenet_index"}:
        raise DataError(
            f"{path}: expected the columns file, and wnid, label or imagenet_index, with tabs between them, and one "
            f"line an image; found {', '.join(sorted(filter(None, columns))) or 'no line'}."
        )
    found = [_label(row, f"{path}, line {number}") for number, row in numbered]
    files = tuple(path.parent / row["file"] for row in rows)
    if missing := [file.name for file in files if not file.is_file()]:
        raise DataError(f"{path}: {len(missing)} of {len(files)} images are missing: {shorten(missing)}.")
    keys = [_identity(label) for label in found]
    first: dict[str | int, Label] = {}  # of a class whose name is spelt in several ways, the first
    for key, label in zip(keys, found, strict=True):
        first.setdefault(key, label)
    places = {key: place for place, key in enumerate(first)}
    labels = tuple(first.values())
    return Listing(files, np.array([places[key] for key in keys]), tuple(map(str, labels))), labels


def _identity(label: Label) -> str | int:
    """Return what tells the class of a label from others: wnid, index, or plain name."""
    if label.wnid:
        return label.wnid
    return _plain(label.names[0]) if label.index is None else label.index


def _label(row: dict[str, str | None], where: str) -> Label:
    wnid, name, index = (row.get(column) or None for column in ("wnid", "label", "imagenet_index"))
    if not row["file"] or not (wnid or name or index):
        given = ", ".join(str(value) for value in row.values() if value)
        raise DataError(f"{where}: expected a file and what it shows, got {given or 'nothing'}.")
    if wnid and not _WNID.fullmatch(wnid):
        raise DataError(f"{where}: expected a wnid, n and eight digits, got {wnid!r}.")
    if index and not (index.isdecimal() and int(index) < 1000):
        raise DataError(f"{where}: expected an imagenet_index of 0..999, got {index!r}.")
    return Label((name,) if name else (), wnid, int(index) if index else None)


class Matcher:
    """Finds the outputs of a model that labels mean: by wnid if both have one, by ImageNet's index, or by name."""

    def __init__(self, outputs: Sequence[Label]):
        self._outputs = outputs
        self._by_wnid = {output.wnid: place for place, output in enumerate(outputs) if output.wnid}
        self._by_index = {output.index: place for place, output in enumerate(outputs) if output.index is not None}
        self._by_name: dict[str, set[int]] = defaultdict(set)
        for place, output in enumerate(outputs):
            for name in output.names:
                self._by_name[_plain(name)].add(place)

    def match(self, labels: Sequence[Label]) -> list[int]:
        """Return the index of the output that each label means.

        Raises:
            DataError: a label means no output, may mean several, contradicts itself, or means the same as another one.
        """
        meant = [self._meant(label) for label in labels]
        found = [place for place in meant if place is not None]
        if unknown := [str(label) for label, place in zip(labels, meant, strict=True) if place is None]:
            raise DataError(f"knows {len(found)} of the {len(labels)} classes; unknown: {shorten(unknown)}")
        place, times = Counter(found).most_common(1)[0]
        if times > 1:
            same = [str(label) for label, other in zip(labels, found, strict=True) if other == place]
            raise DataError(f"has one output, {self._outputs[place]}, for {times} classes: {shorten(same)}")
        return found

    def _meant(self, label: Label) -> int | None:
        by_index = None if label.index is None else self._by_index.get(label.index)
        named = self._named(label)
        if label.wnid and self._by_wnid:
            found = self._by_wnid.get(label.wnid)
            agree = found == by_index
        elif by_index is not None:
            found, agree = by_index, not named or by_index in named
        else:
            if len(named) > 1:
                raise DataError(f"has {len(named)} outputs called {label}; only a wnid tells them apart")
            return min(named, default=None)
        if by_index is not None and not agree:
            raise DataError(f"calls output {label.index} {self._outputs[by_index]}, which contradicts {label}")
        return found

    def _named(self, label: Label) -> set[int]:
        """Return the outputs with the first of the label's names that any output has."""
        return next((self._by_name[_plain(name)] for name in label.names if _plain(name) in self._by_name), set())


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())
