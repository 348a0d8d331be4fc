"""Writes CIFAR-10 as a folder of image files, e.g. to stream them.

    images/test_batch_00000.jpg    an image
    labels/test_batch_00000.txt    the number of its class
    classes.txt                    the class names, one on each line, in the order of their numbers
    SOURCE.json                    the name that scores on these images carry

If the official archive is downloaded, it is kept in the same folder, and so are the batches in it.
"""

import io
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from mp09.data.archives import SPLITS, Progress, describe, read_files
from mp09.data.cifar import BATCHES, CIFAR10, CLASSES, META_FILE, TEST_FILE, TRAIN_FILES, read_batch, read_classes
from mp09.data.download import ARCHIVE_NAME, MD5, URL, download
from mp09.data.labels import NAMES
from mp09.data.official import official_files
from mp09.data.provenance import SOURCE_FILE, read_provenance
from mp09.data.synthetic import draw
from mp09.errors import DataError
from mp09.files import atomic_write, checksum, write_json, write_text

EXTRACTED = "cifar-10-batches-py"
FOLDERS = "labels", "images"
MOST = 10_000  # images in a batch of the official archive
NEW = ".new-cifar-images-"  # begins the name of a folder that is still being filled
MARK = {"made_by": "cifar-images"}  # with this in SOURCE.json, the files beside it are ours and may be replaced
QUALITY = 95  # of JPEG, with colours at full resolution

EncodedImages = Iterable[tuple[bytes, str, int]]  # for each image the bytes of a file, its suffix, and the label


@dataclass(frozen=True)
class ImageOrigin:
    """Describes where images come from.

    Attributes:
        name: the name that scores on these images carry.
        classes: the class names, in the order of the labels.
        batch: called with a batch's name and a count; returns that many of its images, or all if there are fewer.
            It may also return more.
    """

    name: str
    classes: tuple[str, ...]
    batch: Callable[[str, int], EncodedImages]


def make_images(
    out: Path,
    origin: ImageOrigin,
    *,
    batches: Sequence[str],
    per_batch: int | None = None,
    progress: Progress | None = None,
) -> int:
    """Write the first images of each batch with their labels, and return how many there are in all.

    Args:
        out: the folder to make or to replace.
        origin: where the images come from.
        batches: names from `cifar.BATCHES`.
        per_batch: how many images of each batch, 1 to 10000; None takes all.
        progress: called with a batch's name, the number of images written, and the number to write.

    Raises:
        DataError: a batch has fewer images, or `out` holds something else or can't be written. What it held stays.
    """
    out = Path(out)
    if per_batch is not None and not 1 <= per_batch <= MOST:
        raise DataError(f"--per-batch: expected 1..{MOST}, got {per_batch}.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        _check_is_ours(out)
        for broken_off in out.glob(f"{NEW}*"):
            shutil.rmtree(broken_off, ignore_errors=True)
        with TemporaryDirectory(prefix=NEW, dir=out) as folder:
            new = Path(folder)
            for name in FOLDERS:
                (new / name).mkdir()
            counts = [_write(new, origin, batch, per_batch, progress) for batch in dict.fromkeys(batches)]
            write_text(out / NAMES, "".join(f"{name}\n" for name in origin.classes))
            write_json(out / SOURCE_FILE, {"name": origin.name, **MARK})
            for name in FOLDERS:  # the images come last, so a folder that has them is complete
                shutil.rmtree(out / name, ignore_errors=True)
                (new / name).rename(out / name)
    except OSError as error:
        raise DataError(f"{error.filename or out}: could not be written ({error.strerror or error}).") from error
    return sum(counts)


def _check_is_ours(out: Path) -> None:
    """Raise DataError when the folder has files that this command did not make."""
    there = [name for name in (*FOLDERS, NAMES, SOURCE_FILE) if (out / name).exists()]
    try:
        source = json.loads((out / SOURCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        source = None
    if there and not (isinstance(source, dict) and MARK.items() <= source.items()):
        raise DataError(f"{out / there[0]}: exists and was not made by this command. Choose another --out.")


def _write(folder: Path, origin: ImageOrigin, batch: str, per_batch: int | None, progress: Progress | None) -> int:
    """Write the images of a batch and their labels, and return how many. Raises DataError when there are too few."""
    count = 0
    for content, suffix, label in islice(origin.batch(batch, per_batch or MOST), per_batch):
        stem = f"{batch}_{count:05d}"
        (folder / "images" / f"{stem}{suffix}").write_bytes(content)
        (folder / "labels" / f"{stem}.txt").write_text(f"{label}\n")
        count += 1
        if progress:
            progress(batch, count, per_batch or MOST)
    if per_batch and count < per_batch:
        raise DataError(f"{batch}: has {count} images, asked for {per_batch}. Ask for fewer: --per-batch.")
    return count


def from_download(out: Path, *, url: str = URL, md5: str = MD5, progress: Progress | None = None) -> ImageOrigin:
    """Take the images from the official archive, which is downloaded into `out` unless it is there already.

    Args:
        out: the folder for the archive and for what it unpacks to.
        url: where to download it.
        md5: the archive's checksum.
        progress: called as progress("downloading", done, total), in bytes.

    Raises:
        DownloadError: the archive can't be fetched, or what comes has another checksum.
        DataError: `out` can't be written, or the archive is damaged.
    """
    archive = Path(out) / ARCHIVE_NAME
    unpacked = (Path(out) / EXTRACTED / META_FILE).is_file()
    if not unpacked and not (archive.is_file() and checksum(archive, "md5") == md5):
        download(archive, url=url, md5=md5, progress=progress)
    return from_archive(archive, out, md5=md5)


def from_archive(archive: Path, out: Path, *, md5: str = MD5) -> ImageOrigin:
    """Take the images from the official archive, which is unpacked into `out` unless that was done before.

    Raises DataError when it is missing, another file (by its MD5), or can't be unpacked.
    """
    folder = Path(out) / EXTRACTED
    if not (folder / META_FILE).is_file():  # this file is written last
        contents = dict(official_files(archive, md5=md5))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (*BATCHES, META_FILE):
                with atomic_write(folder / name) as file:
                    file.write(contents[name])
        except OSError as error:
            raise DataError(f"{folder}: could not be written ({error.strerror}).") from error
    return from_batches(folder, name="CIFAR-10")


def from_batches(folder: Path, *, name: str = "") -> ImageOrigin:
    """Take the images from batch files: the official ones with ten classes, or `cifar10_batches` with eight.

    Args:
        folder: the folder with the batch files.
        name: the name of scores; by default what SOURCE.json says, or else the folder's name. " (JPEG)" is added to
            it, unless it has that or is "synthetic", because the images are compressed.

    Raises:
        DataError: a file is missing or damaged.
    """
    folder = Path(folder)
    classes = read_classes(folder)
    name = name or (read_provenance(folder).name if (folder / SOURCE_FILE).exists() else folder.name)

    def batch(file: str, count: int) -> EncodedImages:
        found = read_batch(folder / file, classes)
        for image, label in zip(found.images[:count], found.labels, strict=False):
            yield _jpeg(image), ".jpg", int(label)

    encoded = name if name == "synthetic" or "JPEG" in name else f"{name} (JPEG)"
    return ImageOrigin(encoded, classes, batch)


def from_images(path: Path) -> ImageOrigin:
    """Take image files from `train/<class>/` and `test/<class>/` of a folder or archive with ten classes, unchanged.

    Raises DataError when the source is damaged or a class has no images.
    """
    files = read_files(path, classes=CIFAR10)
    eight = {(split, cls): files[split, cls] for split in SPLITS for cls in CLASSES}

    def batch(file: str, _: int) -> EncodedImages:
        """Return a fifth of the training images, or all test images: the first of each class, then the second, ..."""
        split = "test" if file == TEST_FILE else "train"
        by_class = [[(*entry, label) for entry in files[split, cls]] for label, cls in enumerate(CIFAR10)]
        mixed = [entry for entries in zip_longest(*by_class) for entry in entries if entry]
        part, parts = (0, 1) if split == "test" else (TRAIN_FILES.index(file), len(TRAIN_FILES))
        for name, content, label in mixed[part * len(mixed) // parts : (part + 1) * len(mixed) // parts]:
            yield content, PurePosixPath(name).suffix.lower(), label

    return ImageOrigin(describe(eight, Path(path).name.split(".")[0]), CIFAR10, batch)


def from_synthetic() -> ImageOrigin:
    """Make synthetic images of eight classes."""

    def batch(file: str, count: int) -> EncodedImages:
        labels = np.arange(count) % len(CLASSES)
        images = draw(labels, seed=BATCHES.index(file))
        return ((_jpeg(image), ".jpg", int(label)) for image, label in zip(images, labels, strict=True))

    return ImageOrigin("synthetic", CLASSES, batch)


def _jpeg(image: np.ndarray) -> bytes:
    """Encode an image, uint8 (3, H, W) with planes R, G, B, as the bytes of a JPEG file."""
    content = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(content, "JPEG", quality=QUALITY, subsampling=0)
    return content.getvalue()
