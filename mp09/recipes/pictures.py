"""Pictures to learn from, of any kind that the commands take: course batches, class folders, Tiny ImageNet."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from mp09.data import pictures, tiny_imagenet
from mp09.data.cifar import META_FILE, TEST_FILE, TRAIN_FILES, read_batch
from mp09.data.imageset import ImageSet
from mp09.data.pictures import Listing
from mp09.data.source import read_source
from mp09.errors import DataError
from mp09.features.cache import digest_arrays
from mp09.nets.preprocess import Preprocess
from mp09.recipes.labelled import TINY_IMAGENET, Pictures
from mp09.recipes.progress import Say, silent
from mp09.training.batches import Batches

VALID_SHARE = 0.1  # of the training pictures, where a data set has no validation pictures


@dataclass(frozen=True)
class Data:
    """name: what scores on them are called; test: pictures that nothing is chosen by, None where there are none."""

    name: str
    train: Pictures
    valid: Pictures
    test: Pictures | None
    classes: tuple[str, ...]


def open_data(
    path: str | Path,
    *,
    seed: int = 0,
    per_class: int | None = None,
    skip_unreadable: bool = False,
    say: Say = silent,
) -> Data:
    """Open a folder: cifar10_batches, Tiny ImageNet ("tiny-imagenet:DIR" too), or train/<class>/ with val/<class>/.

    per_class takes that many training pictures of each class. Unreadable pictures are an error that names the first,
    or are left out, and `say` is told which.
    Raises DataError when it is none of these, or damaged.
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
        found = pictures.open_folders(path)
        classes, name = found["train"].classes, path.resolve().name
    else:
        raise DataError(
            f"{path}: expected cifar10_batches (make it: python -m mp09 data), Tiny ImageNet, or a folder with "
            "train/<class>/ and val/<class>/."
        )
    if len(classes) < 2:
        raise DataError(f"{path}: expected at least two classes, found {', '.join(classes)}.")
    if "valid" not in found:
        found["train"], found["valid"] = _hold_out(found["train"], seed)
    found["train"] = _limit(found["train"], per_class)
    loaded = {split: _load(listing, skip_unreadable, say) for split, listing in found.items()}
    return Data(name, loaded["train"], loaded["valid"], loaded.get("test"), classes)


def training_pictures(path: Path) -> tuple[ImageSet, str]:
    """All training pictures of a folder of course batches, and what scores on them are called."""
    parts = [read_batch(path / name) for name in TRAIN_FILES]
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return ImageSet(images, labels, parts[0].classes), read_source(path).name


def _batches(path: Path, seed: int, per_class: int | None) -> Data:
    everything, name = training_pictures(path)
    train, valid = _hold_out(everything, seed)
    return Data(name, _limit(train, per_class), valid, read_batch(path / TEST_FILE), train.classes)


def _hold_out(found: Pictures, seed: int) -> tuple[Pictures, Pictures]:
    """(training, validation) pictures, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(found))
    held = int(len(order) * VALID_SHARE)
    if not held:
        raise DataError(f"expected at least {round(1 / VALID_SHARE)} training pictures, got {len(found)}.")
    return found.take(np.sort(order[held:])), found.take(np.sort(order[:held]))


def _limit(found: Pictures, per_class: int | None) -> Pictures:
    """The first pictures of every class."""
    if per_class is None:
        return found
    if per_class < 1:
        raise DataError(f"per_class: expected at least 1 picture a class, got {per_class}.")
    chosen = [np.flatnonzero(found.labels == label)[:per_class] for label in range(len(found.classes))]
    return found.take(np.sort(np.concatenate(chosen)))


def _load(listing: Listing, skip_unreadable: bool, say: Say) -> Pictures:
    if skip_unreadable:
        listing, left_out = pictures.drop_unreadable(listing)
        if left_out:
            say(f"left out, unreadable: {len(left_out)} pictures: {pictures.shorten([str(p) for p in left_out])}")
    try:
        return pictures.load_pictures(listing) or listing
    except DataError as error:
        raise _unreadable(listing) from error


def _unreadable(listing: Listing) -> DataError:
    """Names and counts the pictures that can't be read."""
    _, bad = pictures.drop_unreadable(listing)
    names = pictures.shorten([str(path) for path in bad])
    return DataError(
        f"{len(bad)} of {len(listing)} pictures can't be read: {names}. Replace or remove them, or leave them out: "
        "--unreadable skip."
    )


def digest(found: Pictures) -> str:
    """sha256 of the pictures' contents and classes."""
    return digest_arrays(found.images, found.labels) if isinstance(found, ImageSet) else pictures.digest(found)


def loader(found: Pictures, preprocess: Preprocess, batch_size: int, *, shuffle: bool = False):
    """Batches (uint8 (n, 3, H, W), int64 (n,)); files are read, resized and made square by other processes."""
    if isinstance(found, ImageSet):
        return Batches(torch.from_numpy(found.images), torch.from_numpy(found.labels), batch_size, shuffle=shuffle)
    workers = torch.get_num_threads()
    files = _Files(found, preprocess)
    return _Reader(
        files, batch_size, shuffle=shuffle, num_workers=workers, persistent_workers=True, collate_fn=_together
    )


def sample(found: Listing, preprocess: Preprocess, count: int) -> Tensor:
    """uint8 (count, 3, H, W): pictures from all over the listing."""
    files = _Files(found, preprocess)
    items = [files[i] for i in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int)]
    if None in items:
        raise _unreadable(found)
    return torch.stack([picture for picture, _ in items])


class _Reader(DataLoader):
    """Batches of `_Files`. Raises DataError for pictures that can't be read."""

    def __iter__(self):
        for batch in super().__iter__():
            if batch is None:
                raise _unreadable(self.dataset.listing)
            yield batch


def _together(items: list) -> list[Tensor] | None:
    return None if None in items else default_collate(items)


class _Files(Dataset):
    """(uint8 (3, resize, resize), label) each; None for a picture that can't be read."""

    def __init__(self, listing: Listing, preprocess: Preprocess):
        self.listing, self.preprocess = listing, preprocess

    def __len__(self) -> int:
        return len(self.listing)

    def __getitem__(self, index: int) -> tuple[Tensor, int] | None:
        try:
            picture = torch.from_numpy(pictures.read_picture(self.listing.files[index]))
        except DataError:
            return None
        return self.preprocess.square(picture), int(self.listing.labels[index])
