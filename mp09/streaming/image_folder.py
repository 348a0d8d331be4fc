"""The images of a stream, their labels, and how they are put together in groups."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mp09.data.image_files import SUFFIXES, is_image, read_image
from mp09.data.labels import NAMES
from mp09.data.provenance import SOURCE_FILE
from mp09.errors import DataError, StreamError


@dataclass(frozen=True)
class Stream:
    """A stream is the image files of a folder, sorted by name and repeated as often as needed.

    Attributes:
        images: the folder. Images in folders below it do not count.
        labels: a folder with one .txt file an image, with the name or the number of a class, from 0 on; None, the
            default, without labels. A file classes.txt in it or beside it has the class names, one a line.
        frames: how many frames the stream has; 0, the default, takes each image once.

    Making a stream reads nothing. Whoever uses it gets a StreamError when the folder has no images, or when a label is
    missing or is no class. Images may have any size; one that can't be read is a frame with an error.
    """

    images: Path
    labels: Path | None = None
    frames: int = 0

    @cached_property
    def files(self) -> list[Path]:
        """The image files in their order. Raises StreamError when there are none."""
        try:
            entries = sorted(path for path in Path(self.images).iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise StreamError(f"{self.images}: expected a folder with images ({error.strerror}).") from error
        files = [path for path in entries if is_image(path.name)]
        if not files:
            raise StreamError(f"{self.images}: no images ({', '.join(SUFFIXES)}) in this folder.")
        return files

    def __len__(self) -> int:
        return self.frames or len(self.files)

    def __getitem__(self, frame: int) -> Path:
        return self.files[frame % len(self.files)]

    def label(self, path: Path) -> str | None:
        """Return the label of an image: a class name, or a number where `classes.txt` is missing; None without labels.

        Raises:
            StreamError: the label's file is missing or can't be read, or holds a number that is no class.
        """
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
        """The name that scores on these images carry: that in SOURCE.json beside the folder, else the folder's own."""
        try:
            return json.loads((Path(self.images).absolute().parent / SOURCE_FILE).read_text(encoding="utf-8"))["name"]
        except (OSError, ValueError, KeyError, TypeError):
            return Path(self.images).name

    @cached_property
    def names(self) -> list[str]:
        """The class names, from `classes.txt` in the folder of labels or in the one above it; empty without one.

        Raises:
            StreamError: that file can't be read as UTF-8.
        """
        if not self.labels:
            return []
        places = [Path(self.labels) / NAMES, Path(self.labels).absolute().parent / NAMES]
        try:
            return next((place.read_text(encoding="utf-8").splitlines() for place in places if place.is_file()), [])
        except (OSError, UnicodeDecodeError) as error:
            raise StreamError(f"{NAMES} beside the labels: expected UTF-8, one name a line ({error}).") from error


@dataclass(frozen=True)
class StreamFrame:
    """A frame is one image of a stream, with its label.

    Attributes:
        number: counts from 0.
        name: the name of the file.
        label: as `Stream.label` returns it.
        image: uint8 (H, W, 3), planes R, G, B; None where it can't be read.
        error: why the image can't be read; empty where it can.
        started: when reading it began, by time.monotonic().
        seconds: how long reading it took.
    """

    number: int
    name: str
    label: str | None
    image: np.ndarray | None
    error: str
    started: float
    seconds: float

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of the image; None where it can't be read."""
        return None if self.image is None else self.image.shape


def read_frame(stream: Stream, number: int) -> StreamFrame:
    """Read one frame, also when its image can't be read. Raises StreamError for a label that is missing or wrong."""
    started = time.monotonic()
    path, image, error = stream[number], None, ""
    try:
        image = read_image(path).transpose(1, 2, 0)
    except DataError as reason:
        error = str(reason)
    return StreamFrame(number, path.name, stream.label(path), image, error, started, time.monotonic() - started)


def groups(stream: Stream, first: int, size: int) -> Iterator[list[StreamFrame]]:
    """Yield the frames from `first` on, up to `size` of one shape at a time; one that can't be read comes alone."""
    group: list[StreamFrame] = []
    for number in range(first, len(stream)):
        frame = read_frame(stream, number)
        if group and frame.shape != group[0].shape:
            yield group
            group = []
        group.append(frame)
        if len(group) == size or frame.image is None:
            yield group
            group = []
    if group:
        yield group
