"""Reads image files of any size and any usual format, and tells of files that are left aside."""

import io
import os
import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path, PurePath
from threading import Event

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mp09.errors import DataError, Mp09Warning

# These are torchvision's IMG_EXTENSIONS, and further names for JPEG and GIF.
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp", ".gif")
FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP", "GIF")  # tried on the content; EPS would start Ghostscript
SIXTEEN_BITS = ("PNG", "PPM")  # formats whose whole numbers have 16 bits at most, though Pillow may give them 32
# What can't be read: how such files begin, after four bytes, and how their names end.
OTHER_BEGINNINGS = {b"ftyphei": "HEIC", b"ftypmif1": "HEIC", b"ftypavif": "AVIF"}
OTHER_SUFFIXES = {
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys((".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf"), "a camera's raw format"),
    ".avif": "AVIF",
    ".jxl": "JPEG XL",
    ".svg": "SVG",
    ".psd": "a Photoshop document",
}
SHOWN = 5  # endings in a message
told_of_exif = Event()  # is set when a process has told that EXIF data are damaged
JUNK = ("thumbs.db", "desktop.ini")  # made by Windows, and not by people


def read_image(path: Path) -> np.ndarray:
    """Read one image as uint8 (3, H, W), planes R, G, B; of several in a file the first.

    It is turned upright as its EXIF data say; Mp09Warning names the first image whose EXIF data are damaged.
    Transparency is ignored, and 16 bits are cut to 8.

    Raises:
        DataError: the file is missing, damaged, truncated or too large, has 32 bits a channel, or has a format that
            can't be read. The message names it.
    """
    return decode_image(path, str(path))


def decode_image(file: Path | io.BytesIO, name: str) -> np.ndarray:
    """Do what `read_image` does, with a path or with the bytes of a file; `name` is what messages call it."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            if image.info.get("exif") and not image.getexif() and not told_of_exif.is_set():
                told_of_exif.set()
                words = "its EXIF data are damaged, so it, and others like it, may lie on their sides"
                warnings.warn(f"{name}: {words}", Mp09Warning, stacklevel=2)
            ImageOps.exif_transpose(image, in_place=True)
            return np.ascontiguousarray(np.asarray(_rgb(image)).transpose(2, 0, 1))
    except Exception as error:  # Pillow's decoders raise many kinds of errors on damaged files
        raise DataError(f"{name}: not a readable image ({_reason(error, file)}). Replace or remove it.") from error


def other_format(path: Path) -> str | None:
    """Return the name of an image format that can't be read, by a file's beginning or else the end of its name."""
    beginning = b""
    with suppress(OSError), open(path, "rb") as file:
        beginning = file.read(16)
    return _begun(beginning) or OTHER_SUFFIXES.get(path.suffix.lower())


def is_image(name: str) -> bool:
    """Return whether a file's name is that of an image that is not hidden."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def files_below(folder: Path) -> list[Path]:
    """List all files below a folder, hidden ones left out. A link to a folder that is elsewhere is followed once.

    Raises:
        DataError: a folder can't be read.
    """

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: could not be read ({error.strerror}).") from error

    found: list[tuple[str, str]] = []
    links = [str(folder)]
    seen = {str(parent) for parent in Path(os.path.realpath(folder)).parents}
    for root in links:  # those in a folder come after all that is really there
        if os.path.realpath(root) in seen:
            continue
        for parent, folders, names in os.walk(root, onerror=fail):
            seen.add(os.path.realpath(parent))
            shown = [os.path.join(parent, name) for name in sorted(folders) if not name.startswith(".")]
            links += [path for path in shown if os.path.islink(path)]
            folders[:] = [os.path.basename(path) for path in shown if os.path.realpath(path) not in seen]
            found += [(parent, name) for name in names if not name.startswith(".")]
    return [Path(parent, name) for parent, name in sorted(found)]


def tell_left_aside(place: object, names: Iterable[str]) -> None:
    """Warn of files that are no images by their names, counted by ending; hidden files and those of Windows are not.

    Args:
        place: where they are, for the message.
        names: the files' names.
    """
    count: Counter[str] = Counter()
    spelt: dict[str, str] = {}
    for name in names:
        if not name.startswith(".") and name.lower() not in JUNK:
            ending = "".join(char for char in PurePath(name).suffix if char.isprintable())
            count[ending.lower()] += 1
            spelt.setdefault(ending.lower(), ending or "without an ending")
    if not count:
        return
    endings = [f"{spelt[key]} ({number})" if len(count) > 1 else spelt[key] for key, number in count.most_common(SHOWN)]
    endings += [f"and {len(count) - SHOWN} more"] if len(count) > SHOWN else []
    files, them = ("file", "it is an image") if count.total() == 1 else ("files", "they are images")
    words = f"{place}: {count.total()} {files} left aside: {', '.join(endings)}; convert to JPEG if {them}"
    warnings.warn(words, Mp09Warning, stacklevel=3)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in SIXTEEN_BITS):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # convert() would clip the values at 255
    elif image.mode in ("I", "F"):
        raise ValueError("expected 8 or 16 bits a channel, got 32")
    image.info.pop("transparency", None)  # convert() warns about some kinds of it
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(error: Exception, file: Path | io.BytesIO) -> str:
    if isinstance(error, Image.DecompressionBombError):
        return f"it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0) // 1_000_000} million pixels"
    if isinstance(error, UnidentifiedImageError):
        other = _begun(file.getvalue()) if isinstance(file, io.BytesIO) else other_format(file)
        return f"it is {other}; convert it to JPEG" if other else f"its content is none of {', '.join(FORMATS)}"
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__


def _begun(content: bytes) -> str | None:
    """Return the format that can't be read which a file with this content has, or None."""
    return next((name for beginning, name in OTHER_BEGINNINGS.items() if content[4:].startswith(beginning)), None)
