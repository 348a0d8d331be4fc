"""Labelled pictures to judge networks by: a folder with labels.tsv or class folders, Tiny ImageNet, course batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mp09.data import pictures, tiny_imagenet
from mp09.data.cifar import META_FILE, TEST_FILE, read_batch
from mp09.data.imageset import ImageSet
from mp09.data.labels import TABLE, WORDS, Label, labels_of, read_table
from mp09.data.pictures import Listing
from mp09.data.source import read_source
from mp09.errors import DataError
from mp09.nets.preprocess import Preprocess

TINY_IMAGENET = "tiny-imagenet:"  # may stand before the folder, which then has to be one
Pictures = ImageSet | Listing  # in memory; or files of mixed sizes, read batch by batch


@dataclass(frozen=True)
class Labelled:
    """name: what scores on them are called; labels: what the pictures' labels 0, 1, ... are of."""

    name: str
    pictures: Pictures
    labels: tuple[Label, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, index: int) -> np.ndarray:
        """One picture, uint8 (3, H, W). Raises DataError."""
        found = self.pictures
        return found.images[index] if isinstance(found, ImageSet) else pictures.read_picture(found.files[index])

    def label(self, index: int) -> Label:
        """What a picture is of."""
        return self.labels[self.pictures.labels[index]]

    def stem(self, index: int) -> str:
        """A picture's file name without its suffix; its number where it has none."""
        found = self.pictures
        return str(index) if isinstance(found, ImageSet) else found.files[index].stem

    def batches(self, preprocess: Preprocess, size: int) -> Iterator[Tensor]:
        """uint8 (n, 3, resize, resize) each: what a network looks at of the pictures."""
        for start in range(0, len(self), size):
            read = [self.read(index) for index in range(start, min(start + size, len(self)))]
            yield torch.stack([preprocess.square(torch.from_numpy(picture)) for picture in read])


def open_labelled(path: str | Path, samples: int | None = None) -> Labelled:
    """Open pictures whose classes are known; `samples` takes so many of them, from all over the list.

    Of Tiny ImageNet ("tiny-imagenet:DIR" too) these are the validation pictures, of cifar10_batches the test pictures.
    Raises DataError when there are none, or what says their classes is damaged.
    """
    tiny, path = str(path).startswith(TINY_IMAGENET), folder_of(path)
    if tiny or tiny_imagenet.is_tiny_imagenet(path):
        found, name = tiny_imagenet.open_tiny_imagenet(path)[1], "Tiny ImageNet, validation"
        labels = labels_of(found.classes, path)
    elif (path / TABLE).is_file():
        found, labels = read_table(path)
        name = path.resolve().name
    elif (path / META_FILE).is_file():
        found, name = read_batch(path / TEST_FILE), f"{read_source(path).name}, test"
        labels = labels_of(found.classes)
    else:
        found, name = pictures.list_pictures(path), path.resolve().name
        labels = labels_of(found.classes, path if (path / WORDS).is_file() else path.resolve().parent)
    if samples is not None and samples < len(found):
        found = found.take(np.linspace(0, len(found) - 1, samples).astype(int))
    return Labelled(name, found, labels)


def folder_of(path: str | Path) -> Path:
    """What `open_labelled` takes, as a folder."""
    return Path(str(path).removeprefix(TINY_IMAGENET))


def check_readable(labelled: Labelled) -> None:
    """Decode every picture. Raises DataError that counts and names those that can't be read."""
    listing = labelled.pictures
    if isinstance(listing, ImageSet):
        return
    _, bad = pictures.drop_unreadable(listing)
    if bad:
        names = pictures.shorten([str(path) for path in bad])
        raise DataError(f"{len(bad)} of {len(listing)} pictures can't be read: {names}. Replace or remove them.")
