"""Opens labelled images to judge models by.

They lie in a folder with labels.tsv or with class folders, or are Tiny ImageNet or course batches.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mp09.data import class_folders, tiny_imagenet
from mp09.data.cifar import META_FILE, TEST_FILE, read_batch
from mp09.data.class_folders import Listing
from mp09.data.image_files import read_image
from mp09.data.imageset import ImageSet
from mp09.data.labels import TABLE, WORDS, Label, labels_of, read_table
from mp09.data.provenance import read_provenance
from mp09.errors import DataError
from mp09.nets.preprocess import Preprocess

TINY_IMAGENET = "tiny-imagenet:"  # may stand before a folder, which then has to be Tiny ImageNet
Images = ImageSet | Listing  # in memory, or files of mixed sizes that are read batch by batch


@dataclass(frozen=True)
class Labelled:
    """Holds labelled images.

    Attributes:
        name: What scores on them are called.
        images: The images, whose labels count from 0.
        labels: What these numbers mean.
    """

    name: str
    images: Images
    labels: tuple[Label, ...]

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> np.ndarray:
        """Return one image, uint8 (3, H, W). Raises DataError when its file can't be read."""
        found = self.images
        return found.images[index] if isinstance(found, ImageSet) else read_image(found.files[index])

    def label(self, index: int) -> Label:
        """Return what an image shows."""
        return self.labels[self.images.labels[index]]

    def stem(self, index: int) -> str:
        """Return the name of an image's file without suffix; in memory, where it has no file, its index."""
        found = self.images
        return str(index) if isinstance(found, ImageSet) else found.files[index].stem

    def batches(self, preprocess: Preprocess, size: int) -> Iterator[Tensor]:
        """Yield what a model looks at of the images, in batches uint8 (n, 3, resize, resize) of up to `size` images."""
        for start in range(0, len(self), size):
            read = [self.read(index) for index in range(start, min(start + size, len(self)))]
            yield torch.stack([preprocess.square(torch.from_numpy(image)) for image in read])


def open_labelled(path: str | Path, samples: int | None = None) -> Labelled:
    """Open images whose classes are known.

    Args:
        path: Tiny ImageNet, also as "tiny-imagenet:DIR", of which the validation images are taken; a folder with
            labels.tsv; cifar10_batches, of which the test images are taken; or a folder with class folders.
        samples: How many of the images are taken, from all over the list; None takes all.

    Raises:
        DataError: There are no images, or what tells their classes is damaged.
    """
    tiny, path = str(path).startswith(TINY_IMAGENET), folder_of(path)
    found: Images
    if tiny or tiny_imagenet.is_tiny_imagenet(path):
        found, name = tiny_imagenet.open_tiny_imagenet(path)[1], "Tiny ImageNet, validation"
        labels = labels_of(found.classes, path)
    elif (path / TABLE).is_file():
        found, labels = read_table(path)
        name = path.resolve().name
    elif (path / META_FILE).is_file():
        found, name = read_batch(path / TEST_FILE), f"{read_provenance(path).name}, test"
        labels = labels_of(found.classes)
    else:
        found, name = class_folders.list_images(path), path.resolve().name
        labels = labels_of(found.classes, path if (path / WORDS).is_file() else path.resolve().parent)
    if samples is not None and samples < len(found):
        found = found.take(np.linspace(0, len(found) - 1, samples).astype(int))
    return Labelled(name, found, labels)


def folder_of(path: str | Path) -> Path:
    """Return the folder of what `open_labelled` takes, without "tiny-imagenet:"."""
    return Path(str(path).removeprefix(TINY_IMAGENET))


def check_readable(labelled: Labelled) -> None:
    """Decode every image, and raise DataError, which counts and names those that can't be read, if there are any."""
    listing = labelled.images
    if isinstance(listing, ImageSet):
        return
    _, bad = class_folders.drop_unreadable(listing)
    if bad:
        names = class_folders.shorten([str(path) for path in bad])
        raise DataError(f"{len(bad)} of {len(listing)} images can't be read: {names}. Replace or remove them.")
