"""The pictures of a stream, what they are said to show, and how they go together in groups."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mp09.data.pictures import read_picture
from mp09.data.source import SOURCE_FILE
from mp09.errors import DataError, StreamError

SUFFIXES = (".jpg", ".jpeg", ".png")
NAMES = "classes.txt"  # one name a line, in the order of their numbers


@dataclass(frozen=True)
class Stream:
    """The .jpg and .png files of a folder by name, over and over up to `frames` (0: once).

    labels: a folder with one .txt a picture, that holds a class' name or number; None: there are none
    """

    images: Path
    labels: Path | None = None
    frames: int = 0

    @cached_property
    def files(self) -> list[Path]:
        """Raises StreamError when there are none."""
        try:
            entries = sorted(path for path in Path(self.images).iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise StreamError(f"{self.images}: expected a folder with pictures ({error.strerror}).") from error
        files = [path for path in entries if path.suffix.lower() in SUFFIXES]
        if not files:
            raise StreamError(f"{self.images}: no pictures ({', '.join(SUFFIXES)}) in this folder.")
        return files

    def __len__(self) -> int:
        return self.frames or len(self.files)

    def __getitem__(self, frame: int) -> Path:
        return self.files[frame % len(self.files)]

    def label(self, path: Path) -> str | None:
        """The name of the class, or its number where `classes.txt` is missing. Raises StreamError."""
        if not self.labels:
            return None
        file = Path(self.labels) / f"{path.stem}.txt"
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StreamError(f"{file}: expected the label of {path.name} here ({error}).") from error
        if not text.isdecimal() or not self.names:
            return text
        if int(text) >= len(self.names):
            raise StreamError(f"{file}: expected a class' name or 0..{len(self.names) - 1}, found {text}.")
        return self.names[int(text)]

    @property
    def name(self) -> str:
        """What scores on the pictures are called: as SOURCE.json beside the folder says, or by the folder."""
        try:
            return json.loads((Path(self.images).absolute().parent / SOURCE_FILE).read_text(encoding="utf-8"))["name"]
        except (OSError, ValueError, KeyError, TypeError):
            return Path(self.images).name

    @cached_property
    def names(self) -> list[str]:
        """The class names, from `classes.txt` beside the labels or the folder that holds them; empty without one."""
        if not self.labels:
            return []
        places = [Path(self.labels) / NAMES, Path(self.labels).absolute().parent / NAMES]
        try:
            return next((place.read_text(encoding="utf-8").splitlines() for place in places if place.is_file()), [])
        except (OSError, UnicodeDecodeError) as error:
            raise StreamError(f"{NAMES} beside the labels: expected UTF-8, one name a line ({error}).") from error


@dataclass(frozen=True)
class Frame:
    """One picture of a stream.

    image: uint8 (H, W, 3), planes R, G, B; None where it can't be read, for the reason `error`
    started, seconds: when reading it began, by time.monotonic(), and how long it took
    """

    number: int
    name: str
    label: str | None
    image: np.ndarray | None
    error: str
    started: float
    seconds: float


def read_frame(stream: Stream, number: int) -> Frame:
    """Raises StreamError for a label that is missing or wrong."""
    started = time.monotonic()
    path, image, error = stream[number], None, ""
    try:
        image = read_picture(path).transpose(1, 2, 0)
    except DataError as reason:
        error = str(reason)
    return Frame(number, path.name, stream.label(path), image, error, started, time.monotonic() - started)


def groups(stream: Stream, first: int, size: int) -> Iterator[list[Frame]]:
    """The frames from `first` on, up to `size` of one shape at a time; one that can't be read comes alone."""
    group: list[Frame] = []
    for number in range(first, len(stream)):
        frame = read_frame(stream, number)
        if group and (frame.image is None or frame.image.shape != group[0].image.shape):
            yield group
            group = []
        group.append(frame)
        if len(group) == size or frame.image is None:
            yield group
            group = []
    if group:
        yield group
