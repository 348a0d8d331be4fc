"""Reads image files of any size and any usual format."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mp09.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # torchvision's IMG_EXTENSIONS
FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP", "GIF")  # tried on the content; EPS would start Ghostscript


def read_image(path: Path) -> np.ndarray:
    """Read one image as uint8 (3, H, W), planes R, G, B.

    It is turned upright as its EXIF data say. Transparency is ignored, and 16 bits are cut to 8. Raises DataError,
    which names the file, when it is missing, damaged, truncated, or has 32 bits a channel.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            ImageOps.exif_transpose(image, in_place=True)
            return np.ascontiguousarray(np.asarray(_rgb(image)).transpose(2, 0, 1))
    except Exception as error:  # Pillow's decoders raise many kinds of errors on damaged files
        raise DataError(f"{path}: not a readable image ({_reason(error)}). Replace or remove it.") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):  # convert() would clip the values at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError("expected 8 or 16 bits a channel, got 32")
    image.info.pop("transparency", None)  # convert() warns about some kinds of it
    return image if image.mode == "RGB" else image.convert("RGB")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"its content is none of {', '.join(FORMATS)}"
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
