"""Tests which files are read as images, and what is said of those that are not."""

import io
import struct
import warnings

import numpy as np
import pytest
from PIL import Image

from mp09.cli import main
from mp09.data.archives import read_files
from mp09.data.class_folders import list_images
from mp09.data.image_files import other_format, read_image
from mp09.errors import DataError, FrameError, Mp09Warning
from mp09.inference.frames import open_source

HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(100)
PIXELS = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(8, 8, 3)


def made(path, format_=None, pixels=PIXELS):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format_)
    return path


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [
        (".jfif", "JPEG"),
        (".jpe", "JPEG"),
        (".gif", "GIF"),
        (".webp", "WEBP"),
        (".bmp", "BMP"),
        (".tif", "TIFF"),
        (".PNG", "PNG"),
    ],
)
def test_every_usual_ending_is_an_image(tmp_path, suffix, kind):
    for split in ("train", "test"):
        made(tmp_path / split / "ship" / f"a{suffix}", kind)
    assert len(list_images(tmp_path / "train")) == 1
    assert len(read_files(tmp_path, classes=["ship"])["train", "ship"]) == 1
    with open_source(tmp_path / "train") as source:
        assert len(list(source)) == 1


def test_of_a_moving_gif_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "a.gif")[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("most", [1023, 65535])
def test_a_pgm_of_more_than_8_bits_is_cut_to_8(tmp_path, most):
    values = np.linspace(0, most, 64).astype(">u2")
    (tmp_path / "a.pgm").write_bytes(f"P5 8 8 {most}\n".encode() + values.tobytes())
    image = read_image(tmp_path / "a.pgm")
    assert (image[0, 0, 0], image[0, -1, -1]) == (0, 255)


def test_what_is_left_aside_is_counted_by_ending(tmp_path):
    made(tmp_path / "cat" / "a.png")
    for name in ("b.HEIC", "c.heic", "d.HEIC", "notes.txt", ".hidden", "Thumbs.db", "README"):
        (tmp_path / "cat" / name).write_bytes(b"")
    with pytest.warns(Mp09Warning) as told:
        list_images(tmp_path)
    (words,) = (str(one.message) for one in told)
    assert words.startswith(f"{tmp_path}: 5 files left aside: ")
    assert ".HEIC (3)" in words or ".heic (3)" in words
    assert ".txt (1)" in words
    assert "without an ending (1)" in words


def test_of_images_alone_nothing_is_told(tmp_path):
    made(tmp_path / "cat" / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list_images(tmp_path)


def test_an_archive_tells_of_what_is_left_aside(tmp_path):
    for split in ("train", "test"):
        made(tmp_path / split / "ship" / "a.png")
    (tmp_path / "train" / "ship" / "b.heic").write_bytes(HEIC)
    with pytest.warns(Mp09Warning, match=r"1 file left aside: \.heic; convert to JPEG if it is an image"):
        read_files(tmp_path, classes=["ship"])


def test_a_command_prints_it_as_one_line(tmp_path, capsys):
    made(tmp_path / "a.png")
    (tmp_path / "b.heic").write_bytes(HEIC)
    assert main(["classify", str(tmp_path), "--device", "cpu"]) == 0
    assert f"note: {tmp_path}: 1 file left aside: .heic" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [("a.heic", HEIC, "HEIC"), ("a.jpg", HEIC, "HEIC"), ("a.nef", b"", "a camera's raw format"), ("a.jpg", b"", None)],
)
def test_formats_that_can_not_be_read_have_names(tmp_path, name, content, kind):
    (tmp_path / name).write_bytes(content)
    assert other_format(tmp_path / name) == kind


def test_a_photo_of_another_format_is_no_video(tmp_path):
    (tmp_path / "photo.heic").write_bytes(HEIC)
    with pytest.raises(FrameError, match=r"photo\.heic: an image in a format .* \(HEIC\)\. Convert it to JPEG"):
        open_source(tmp_path / "photo.heic")
    (tmp_path / "photo.jpg").write_bytes(HEIC)
    with pytest.raises(DataError, match="it is HEIC; convert it to JPEG"):
        read_image(tmp_path / "photo.jpg")


def test_a_link_to_a_parent_is_not_followed(tmp_path):
    for name in ("cat", "dog"):
        made(tmp_path / name / "a.png")
    (tmp_path / "cat" / "up").symlink_to(tmp_path)
    (tmp_path / "cat" / "self").symlink_to(tmp_path / "cat")
    assert len(list_images(tmp_path)) == 2


def test_nor_is_one_to_a_parent_of_what_a_link_leads_to(tmp_path):
    for name in ("set/train/cat", "set/train/dog", "other"):
        made(tmp_path / "real" / name / "a.png")
    (tmp_path / "real" / "set" / "train" / "cat" / "up").symlink_to(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "set")
    assert len(list_images(tmp_path / "link" / "train")) == 2


def test_endings_are_shown_as_text_and_not_all_of_many(tmp_path):
    made(tmp_path / "cat" / "a.png")
    for index in range(20):
        (tmp_path / "cat" / f"b.{index}x\x1b[2J").write_bytes(b"")
    with pytest.warns(Mp09Warning, match=r"20 files left aside: .* and 15 more;") as told:
        list_images(tmp_path)
    assert str(told[0].message).isprintable()


def test_a_linked_folder_is_followed_once(tmp_path):
    made(tmp_path / "elsewhere" / "b.png")
    made(tmp_path / "set" / "cat" / "a.png")
    for name in ("one", "two"):
        (tmp_path / "set" / "cat" / name).symlink_to(tmp_path / "elsewhere")
    assert [file.name for file in list_images(tmp_path / "set").files] == ["a.png", "b.png"]


def test_too_many_pixels_are_refused_in_our_words(tmp_path, monkeypatch):
    made(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match="it has more than 0 million pixels"):
        read_image(tmp_path / "a.png")


def test_what_pillow_warns_of_does_not_reach_the_terminal(tmp_path, monkeypatch, capsys):
    content = io.BytesIO()
    Image.fromarray(PIXELS).save(content, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff")
    (tmp_path / "a.jpg").write_bytes(content.getvalue())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # 64 pixels are more, and less than twice as many
    assert main(["classify", str(tmp_path / "a.jpg"), "--device", "cpu"]) == 0
    assert "Warning" not in capsys.readouterr().err
