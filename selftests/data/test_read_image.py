"""Tests that one image of any kind becomes three planes, or is named with the reason."""

import warnings

import numpy as np
import pytest
from PIL import Image

from mp09.data import image_files
from mp09.data.image_files import read_image
from mp09.errors import DataError, Mp09Warning
from selftests.data.test_class_folders import damage, draw


def test_an_image_is_three_planes(tmp_path):
    image = read_image(draw(tmp_path / "a.png", (1, 2, 3), size=(8, 6)))
    assert (image.shape, image.dtype, image.flags.c_contiguous) == ((3, 6, 8), np.uint8, True)
    assert image[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("L", 100, "png", (100, 100, 100)),
        ("LA", (100, 0), "png", (100, 100, 100)),
        ("1", 1, "png", (255, 255, 255)),
        ("RGBA", (10, 20, 30, 0), "png", (10, 20, 30)),
        ("I;16", 65535, "png", (255, 255, 255)),
        ("I;16", 0x4080, "tiff", (64, 64, 64)),
        ("CMYK", (0, 255, 255, 0), "tiff", (255, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "jpg", (255, 0, 0)),
    ],
)
def test_every_kind_becomes_rgb(tmp_path, mode, colour, suffix, expected):
    image = read_image(draw(tmp_path / f"a.{suffix}", colour, mode=mode))
    assert image[:, 2, 3].astype(int) == pytest.approx(expected, abs=2)  # JPEG is not exact


def test_damaged_exif_is_told_once(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    for name, content in (("whole", exif.tobytes()), ("cut", exif.tobytes()[:16]), ("again", exif.tobytes()[:16])):
        Image.new("RGB", (8, 4)).save(tmp_path / f"{name}.jpg", exif=content)
    image_files.told_of_exif.clear()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", Mp09Warning)
        shapes = [image_files.read_image(tmp_path / f"{name}.jpg").shape for name in ("whole", "cut", "again")]
    assert shapes == [(3, 8, 4), (3, 4, 8), (3, 4, 8)]
    (ours,) = [str(one.message) for one in told if one.category is Mp09Warning]
    assert ours.startswith(f"{tmp_path / 'cut.jpg'}: its EXIF data are damaged")


def test_a_palette_becomes_rgb_without_a_warning(tmp_path, recwarn):
    image = Image.new("P", (8, 6), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "a.png", transparency=bytes([0, 128]))
    assert read_image(tmp_path / "a.png")[:, 0, 0].tolist() == [10, 20, 30]
    assert len(recwarn) == 0


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_turns_it_upright(tmp_path, suffix):
    image, exif = Image.new("RGB", (64, 32)), Image.Exif()
    image.paste((255, 255, 255), (0, 0, 32, 32))  # the left half is white
    exif[0x0112] = 6  # it has to be turned clockwise, so left becomes top
    image.save(tmp_path / f"a.{suffix}", exif=exif)
    planes = read_image(tmp_path / f"a.{suffix}")
    assert (planes.shape, planes[0, 0].min(), planes[0, -1].max()) == ((3, 64, 32), 255, 0)


def test_the_content_decides_not_the_suffix(tmp_path):
    path = draw(tmp_path / "a.png", (7, 8, 9)).rename(tmp_path / "a.jpg")
    assert read_image(path)[:, 0, 0].tolist() == [7, 8, 9]


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff", "webp"])
def test_a_truncated_image_is_named(tmp_path, suffix):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    image.save(tmp_path / f"a.{suffix}")
    with pytest.raises(DataError, match=rf"a\.{suffix}: not a readable image \(.*\)\. Replace or remove it"):
        read_image(damage(tmp_path / f"a.{suffix}"))


@pytest.mark.parametrize("content", [b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n"])
def test_what_is_no_image_says_so(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.jpg: not a readable image \(its content is none of JPEG, PNG, "):
        read_image(tmp_path / "a.jpg")


def test_an_image_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.jpg: not a readable image \(No such file or directory\)"):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bits_have_no_known_range(tmp_path, mode):
    with pytest.raises(DataError, match=r"expected 8 or 16 bits a channel, got 32"):
        read_image(draw(tmp_path / "a.tiff", 1, mode=mode))
