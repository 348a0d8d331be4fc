"""Makes Tiny ImageNet ready to train on and checks it: `python -m mp09 tiny-imagenet prepare`."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from mp09.data.archives import Progress, archive_entries
from mp09.data.class_folders import Listing, drop_unreadable
from mp09.data.tiny_imagenet import WNIDS, open_tiny_imagenet, words
from mp09.errors import DataError

WHOLE = {"train": 500, "val": 50}  # images of each class in the whole data set


@dataclass(frozen=True)
class Prepared:
    """Says what was prepared.

    Attributes:
        root: the folder of the data set.
        classes: how many classes it has.
        unnamed: wnids without a name in words.txt.
        counts: for "train" and "val", the fewest images of a class, the most, and the number of all.
        unreadable: files that are not readable images.
    """

    root: Path
    classes: int
    unnamed: tuple[str, ...]
    counts: dict[str, tuple[int, int, int]]
    unreadable: tuple[Path, ...]


def prepare_tiny_imagenet(source: Path, *, out: Path | None = None, progress: Progress | None = None) -> Prepared:
    """Make Tiny ImageNet 200 ready to train on, and check it.

    An archive is unpacked, the validation images are sorted by class, and every image is decoded once. A repeated call
    does only what is missing (but it decodes all images), so an interrupted one can be continued. The data set is that
    of Le and Yang, Stanford CS231n, 2015.

    Args:
        source: the archive (.zip, .tar.gz) or the folder that comes out of it.
        out: the folder to unpack into; by default that of the archive.
        progress: called as progress(what is done, how much, of how much).

    Returns:
        A `Prepared` record with the folder and the number of its classes and images, and with the files that are not
        readable images.

    Raises:
        DataError: the archive is damaged, the source is not Tiny ImageNet, files are missing, a class has no readable
            image, or a file can't be written.
    """
    source = Path(source)
    if source.is_file():
        root = _unpack(source, Path(out) if out else source.parent, progress)
    elif source.is_dir():
        root = source
    else:
        raise DataError(f"{source}: no such file or folder. Give tiny-imagenet-200.zip, or the folder it holds.")
    listings = dict(zip(WHOLE, open_tiny_imagenet(root), strict=True))
    known = words(root)
    wnids = listings["train"].classes
    bad = [path for listing in listings.values() for path in drop_unreadable(listing, progress=progress)[1]]
    return Prepared(
        root,
        len(wnids),
        tuple(wnid for wnid in wnids if wnid not in known),
        {split: _count(listing) for split, listing in listings.items()},
        tuple(bad),
    )


def _count(listing: Listing) -> tuple[int, int, int]:
    counts = np.bincount(listing.labels)
    return int(counts.min()), int(counts.max()), len(listing)


def _unpack(archive: Path, out: Path, progress: Progress | None) -> Path:
    """Write every file that is not there in its whole length, and return the folder with wnids.txt."""
    root = None
    for number, (name, content) in enumerate(archive_entries(archive), 1):
        parts = PurePosixPath(name).parts
        if ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name:
            raise DataError(f"{archive}: {name} would lie outside of {out}; this is not Tiny ImageNet's archive.")
        target = out.joinpath(*parts)
        if parts[-1] == WNIDS:
            root = target.parent
        try:
            if not (target.is_file() and target.stat().st_size == len(content)):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        except OSError as error:
            raise DataError(
                f"{target}: could not be written ({error.strerror}). Give another folder: --out."
            ) from error
        if progress and number % 500 == 0:
            progress("unpacking", number, 0)
    if root is None:
        raise DataError(f"{archive}: no {WNIDS} in it; expected the archive of Tiny ImageNet 200.")
    return root
