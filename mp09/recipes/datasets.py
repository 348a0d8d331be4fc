"""Opens images to learn from, of any kind that the commands take: course batches, class folders, Tiny ImageNet."""

import copy
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, RandomSampler, default_collate

from mp09.data import class_folders, tiny_imagenet
from mp09.data.cifar import META_FILE, TEST_FILE, TRAIN_FILES, read_batch
from mp09.data.class_folders import Listing
from mp09.data.image_files import read_image
from mp09.data.imageset import ImageSet
from mp09.data.provenance import read_provenance
from mp09.errors import DataError, Mp09Warning
from mp09.features.cache import digest_arrays
from mp09.nets.preprocess import Preprocess
from mp09.recipes.labelled import TINY_IMAGENET, Images
from mp09.recipes.progress import Say, silent
from mp09.training.batches import Batches

Sample = tuple[Tensor, int]  # an image uint8 (3, resize, resize), and its label
T = TypeVar("T", ImageSet, Listing)  # images of either kind
VALID_SHARE = 0.1  # share of the training images that is held out where there are no validation images


@dataclass(frozen=True)
class Data:
    """Holds the images of a data set.

    Attributes:
        name: What scores on them are called.
        train: The images to train on.
        valid: The images by which epochs, parameters and the like are chosen.
        test: Images by which nothing is chosen; None where there are none.
        classes: The class names.
    """

    name: str
    train: Images
    valid: Images
    test: Images | None
    classes: tuple[str, ...]


def open_data(
    path: str | Path,
    *,
    seed: int = 0,
    per_class: int | None = None,
    skip_unreadable: bool = False,
    say: Say = silent,
) -> Data:
    """Open the images in a folder.

    Args:
        path: cifar10_batches; Tiny ImageNet, also as "tiny-imagenet:DIR"; or a folder with train/<class>/, and with
            val/<class>/ or test/<class>/ or both. Where validation images are missing, a tenth of each class's training
            images is held out for that, at least one of two or more.
        seed: Of the choice of these.
        per_class: How many training images of each class are taken, the first ones; None takes all.
        skip_unreadable: Whether images that can't be read are left out; `say` is told which. Otherwise they are an
            error, at the latest when they are needed.
        say: Is called with lines of text.

    Returns:
        A `Data` record, with `train` and `valid`, `test` or None, `classes`, and the `name` of scores on them. The
        images of a part are an `ImageSet`, or a `Listing` of their files where their sizes differ or they don't fit
        into memory.

    Raises:
        DataError: The folder is none of these or damaged, has fewer than two classes or too few images to hold some
            out, `per_class` is below 1, or images can't be read; the message names the first of them and counts all.
    """
    tiny = str(path).startswith(TINY_IMAGENET)
    path = Path(str(path).removeprefix(TINY_IMAGENET))
    if (path / META_FILE).exists() and not tiny:
        return _batches(path, seed, per_class)
    if tiny or tiny_imagenet.is_tiny_imagenet(path):
        found = dict(zip(("train", "valid"), tiny_imagenet.open_tiny_imagenet(path), strict=True))
        classes = tiny_imagenet.short_names(path, found["train"].classes)
        name = "Tiny ImageNet"
    elif (path / "train").is_dir():
        found = class_folders.open_folders(path)
        classes, name = found["train"].classes, path.resolve().name
    else:
        raise DataError(
            f"{path}: expected cifar10_batches (make it: python -m mp09 data), Tiny ImageNet, or a folder with "
            "train/<class>/ and val/<class>/."
        )
    if len(classes) < 2:
        raise DataError(f"{path}: expected at least two classes, found {', '.join(classes)}.")
    if "valid" not in found:
        everything = _readable(found["train"], say) if skip_unreadable else found["train"]
        found["train"], found["valid"] = _hold_out(everything, seed)
    found["train"] = _limit(found["train"], per_class)
    loaded = {split: _load(listing, skip_unreadable, say) for split, listing in found.items()}
    return Data(name, loaded["train"], loaded["valid"], loaded.get("test"), classes)


def training_images(path: Path) -> tuple[ImageSet, str]:
    """Return all training images of a folder of course batches, and what scores on them are called."""
    parts = [read_batch(path / name) for name in TRAIN_FILES]
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return ImageSet(images, labels, parts[0].classes), read_provenance(path).name


def _batches(path: Path, seed: int, per_class: int | None) -> Data:
    everything, name = training_images(path)
    train, valid = _hold_out(everything, seed)
    return Data(name, _limit(train, per_class), valid, read_batch(path / TEST_FILE), train.classes)


def _hold_out(found: T, seed: int) -> tuple[T, T]:
    """Divide images at random into (training, validation) images, with the same share of every class.

    A class of one image is only trained on.
    """
    order = np.random.default_rng(seed).permutation(len(found))
    by_class = [order[found.labels[order] == label] for label in range(len(found.classes))]
    held = [own[: max(round(len(own) * VALID_SHARE), min(len(own) - 1, 1))] for own in by_class]
    chosen = np.sort(np.concatenate(held))
    if len(order) * VALID_SHARE < 1 or not len(chosen):
        raise DataError(f"expected at least {round(1 / VALID_SHARE)} training images, and two of a class.")
    return found.take(np.setdiff1d(order, chosen)), found.take(chosen)


def _limit(found: T, per_class: int | None) -> T:
    """Take the first `per_class` images of every class; None takes all."""
    if per_class is None:
        return found
    if per_class < 1:
        raise DataError(f"per_class: expected at least 1 image a class, got {per_class}.")
    chosen = [np.flatnonzero(found.labels == label)[:per_class] for label in range(len(found.classes))]
    return found.take(np.sort(np.concatenate(chosen)))


def _load(listing: Listing, skip_unreadable: bool, say: Say) -> Images:
    if skip_unreadable:
        listing = _readable(listing, say)
    try:
        return class_folders.load_images(listing) or listing
    except DataError as error:
        raise _unreadable(listing) from error


def _readable(listing: Listing, say: Say) -> Listing:
    """Return the images that can be read, and say which others there are."""
    listing, left_out = class_folders.drop_unreadable(listing)
    if left_out:
        say(f"left out, unreadable: {len(left_out)} images: {class_folders.shorten([str(p) for p in left_out])}")
    return listing


def _unreadable(listing: Listing) -> DataError:
    """Return an error that names and counts the images that can't be read."""
    _, bad = class_folders.drop_unreadable(listing)
    names = class_folders.shorten([str(path) for path in bad])
    return DataError(
        f"{len(bad)} of {len(listing)} images can't be read: {names}. Replace or remove them, or leave them out: "
        "--unreadable skip."
    )


def digest(found: Images) -> str:
    """Return the sha256 of the images' contents and classes."""
    return digest_arrays(found.images, found.labels) if isinstance(found, ImageSet) else class_folders.digest(found)


def loader(
    found: Images, preprocess: Preprocess, batch_size: int, *, shuffle: bool = False
) -> Batches | DataLoader[Sample | None]:
    """Return batches (images uint8 (n, 3, H, W), labels int64 (n,)) for `fit` or `extract`.

    Files are read by other processes, which resize their images and make them square; iterating raises DataError when
    one can't be read.

    Args:
        found: The images.
        preprocess: That of the model, which decides the size of images from files.
        batch_size: Images in a batch.
        shuffle: Whether every pass has a new order.
    """
    if isinstance(found, ImageSet):
        return Batches(torch.from_numpy(found.images), torch.from_numpy(found.labels), batch_size, shuffle=shuffle)
    # A copy, since processes that read files can't take over a module that has moved to a GPU meanwhile.
    files = _Files(found, copy.deepcopy(preprocess).cpu())
    # The order has a generator of its own, which `fit` seeds for each epoch. Starting the workers takes numbers from
    # another one, so that a run that is resumed, and starts them later, sees the same order.
    order = RandomSampler(files, generator=torch.Generator()) if shuffle else None
    return _Reader(
        files,
        batch_size,
        sampler=order,
        num_workers=torch.get_num_threads(),
        persistent_workers=True,
        collate_fn=_together,
        worker_init_fn=_without_warnings,
        generator=torch.Generator(),
    )


def sample(found: Listing, preprocess: Preprocess, count: int) -> Tensor:
    """Read up to `count` images, uint8 (n, 3, resize, resize), from all over the listing.

    Raises DataError when one can't be read.
    """
    files = _Files(found, preprocess)
    images = []
    for index in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int):
        item = files[index]
        if item is None:
            raise _unreadable(found)
        images.append(item[0])
    return torch.stack(images)


class _Reader(DataLoader[Sample | None]):
    """Gives batches of `_Files`, and raises DataError for images that can't be read."""

    dataset: "_Files"

    def __iter__(self) -> Iterator[list[Tensor]]:  # type: ignore[override]  # PyTorch names a private class there
        for batch in super().__iter__():
            if batch is None:
                raise _unreadable(self.dataset.listing)
            yield batch


def _without_warnings(_worker: int) -> None:
    """Keep a process that reads files from printing into the command's lines."""
    warnings.filterwarnings("ignore", module="PIL")
    warnings.simplefilter("ignore", Mp09Warning)


def _together(items: list[Sample | None]) -> list[Tensor] | None:
    return None if None in items else default_collate(items)


class _Files(Dataset[Sample | None]):
    """Gives each image as (uint8 (3, resize, resize), label), or as None when it can't be read."""

    def __init__(self, listing: Listing, preprocess: Preprocess):
        self.listing, self.preprocess = listing, preprocess

    def __len__(self) -> int:
        return len(self.listing)

    def __getitem__(self, index: int) -> Sample | None:
        try:
            image = torch.from_numpy(read_image(self.listing.files[index]))
        except DataError:
            return None
        return self.preprocess.square(image), int(self.listing.labels[index])
