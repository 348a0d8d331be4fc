"""Sources give their frames in order and with planes R, G, B, or say why they can't."""

import os
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mp09.errors import DataError, FrameError
from mp09.inference import frames
from mp09.inference.frames import Camera, Frame, Video, newest, open_source
from selftests.inference.conftest import COLOURS, RATE, plain, write_video


def images(source: str | Path) -> list[np.ndarray]:
    with open_source(source) as opened:
        return [frame.image for frame in opened]


# Files


def test_a_video_gives_every_frame_with_its_time(video):
    with open_source(video) as source:
        found = list(source)
    assert [frame.number for frame in found] == list(range(30))
    assert found[29].seconds == pytest.approx(29 / RATE)
    assert (source.rate, source.notes) == (RATE, [])


def test_planes_are_red_green_blue(video):
    first = images(video)[0]
    assert first.shape == (90, 160, 3)
    assert np.abs(first.mean(axis=(0, 1)) - COLOURS["red"]).max() < 8


def test_a_folder_gives_its_images_in_order_at_any_depth(tmp_path):
    for name in ("b/2.png", "b/1.png", "a/9.jpg", "a/.hidden.png", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(plain("red")).save(tmp_path / name, "PNG")
    with open_source(tmp_path) as source:
        assert [frame.name for frame in source] == ["9.jpg", "1.png", "2.png"]


def test_a_link_to_a_folder_is_followed_once(tmp_path):
    for name in ("here/a.png", "elsewhere/b.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    (tmp_path / "here" / "below").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here" / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here" / "up").symlink_to(tmp_path)
    with open_source(tmp_path / "here") as source:
        assert len(list(source)) == 2


def test_an_unreadable_image_among_others_is_left_out_with_a_note(tmp_path):
    Image.fromarray(plain("red")).save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"no image")
    with open_source(tmp_path) as source:
        assert [frame.number for frame in source] == [0]
    assert len(source.notes) == 1
    assert "2.png: not a readable image" in source.notes[0]


def test_an_image_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1\.png: not a readable image"):
        images(tmp_path / "1.png")


def test_a_folder_of_unreadable_images_is_an_error(tmp_path):
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"no image")
    with pytest.raises(FrameError, match=r"none of its 2 images can be read; .*1\.png"):
        images(tmp_path)


KINDS = {
    "one channel": lambda path: Image.fromarray(plain("red")[..., 0]).save(path),
    "sixteen bits": lambda path: Image.fromarray(np.full((9, 9), 220 * 256, np.uint16)).save(path),
    "transparency": lambda path: Image.fromarray(np.dstack([plain("red"), np.zeros((90, 160), np.uint8)])).save(path),
    "palette": lambda path: Image.fromarray(plain("red")).quantize(4).save(path),
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_every_kind_become_rgb(kind, tmp_path):
    KINDS[kind](tmp_path / "1.png")
    (image,) = images(tmp_path / "1.png")
    assert (image.dtype, image.shape[2]) == (np.uint8, 3)
    assert abs(int(image[0, 0, 0]) - 220) <= 1


def test_an_image_is_turned_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the image is to be turned by a quarter
    Image.fromarray(plain("red")).save(tmp_path / "1.jpg", exif=exif)
    assert images(tmp_path / "1.jpg")[0].shape == (160, 90, 3)


@pytest.mark.parametrize("content", [b"no video", b""])
def test_a_file_that_is_no_video_is_an_error(content, tmp_path):
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(FrameError, match=r"film\.mp4: not a video that OpenCV can read\. Convert it"):
        open_source(tmp_path / "film.mp4")


def test_frames_of_a_video_have_the_times_at_which_they_are_shown(tmp_path):
    """A moving GIF says for each frame how long it is shown; as a video it has a variable rate."""
    first, *more = (Image.fromarray(plain(name)) for name in (*COLOURS, "red"))
    first.save(tmp_path / "film.gif", save_all=True, append_images=more, duration=[1000, 100, 2000, 100])
    with Video(tmp_path / "film.gif") as source:
        assert [frame.seconds for frame in source] == [0.0, 1.0, 1.1, 3.1]


def test_frames_of_a_video_that_tells_no_times_are_equally_far_apart(video):
    with open_source(video) as source:
        source._capture = Timeless(source._capture)
        assert [round(frame.seconds, 3) for frame in source][:4] == [0.0, 0.05, 0.1, 0.15]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
def test_a_video_whose_name_is_no_text_is_refused(tmp_path, video):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    os.rename(video, path)
    with pytest.raises(FrameError, match="the name can't be shown as text"):
        open_source(path)


class Timeless:
    """Reads a video as OpenCV does with kinds of files that hold no times."""

    def __init__(self, capture):
        self.read, self.release, self._get = capture.read, capture.release, capture.get

    def get(self, key):
        return 0.0 if key == cv2.CAP_PROP_POS_MSEC else self._get(key)


def test_a_video_without_frames_is_an_error(tmp_path):
    with pytest.raises(FrameError, match=r"empty\.avi: (has no frame|not a video)"):
        images(_cut(write_video(tmp_path / "empty.avi", ["red"], frames=1), "movi"))


def test_a_video_that_is_cut_off_gives_what_there_is_and_a_note(tmp_path):
    path = write_video(tmp_path / "long.avi", list(COLOURS), frames=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_source(path) as source:
        count = len(list(source))
    assert 0 < count < 60
    assert source.notes == [f"long.avi: ended after {count} of 60 frames; the file is damaged or cut off."]


def _cut(path: Path, mark: str) -> Path:
    """Cut a file off just behind a mark, and return its path."""
    content = path.read_bytes()
    path.write_bytes(content[: content.index(mark.encode()) + len(mark)])
    return path


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(FrameError, match=r"no images in this folder \(\.jpg, "):
        open_source(tmp_path)


def test_a_missing_file_is_an_error():
    with pytest.raises(FrameError, match="nowhere: expected a camera's number, a video, an image or a folder"):
        open_source("nowhere")


# Cameras


def test_a_camera_that_is_not_there_is_an_error():
    with pytest.raises(FrameError, match="camera 97: there is none, or another program uses it"):
        open_source("97")


@pytest.fixture
def camera(video, monkeypatch):
    """Return a camera whose images come from the video, and which is unplugged at the video's end."""
    capture = cv2.VideoCapture(str(video))
    monkeypatch.setattr(cv2, "VideoCapture", lambda index: capture)
    return Camera(0)


def test_an_unplugged_camera_is_an_error_after_its_last_frame(camera):
    seen = []
    with camera, pytest.raises(FrameError, match=r"camera 0: gives no more frames\. Is it still plugged in\?"):
        seen.extend(frame.number for frame in camera if seen.append(frame.number))
    assert seen[-1] == 29


def test_a_camera_that_hangs_is_an_error(monkeypatch):
    monkeypatch.setattr(frames, "CAMERA_WAIT_S", 0.2)
    release = threading.Event()

    def hangs():
        yield Frame(plain("red"), 0, 0.0, "first")
        release.wait(5)

    found = newest(hangs(), lambda: FrameError("gone"))
    assert next(found).number == 0
    with pytest.raises(FrameError, match="gone"):
        next(found)
    release.set()


def test_the_newest_frame_is_given_and_older_ones_are_dropped():
    def every_10_ms():
        for number in range(50):
            time.sleep(0.01)
            yield Frame(plain("red"), number, time.monotonic(), str(number))

    seen = []
    for frame in newest(every_10_ms(), lambda: FrameError("gone")):
        assert time.monotonic() - frame.seconds < 0.05 or frame.number == 49  # it has just come, or is the last one
        seen.append(frame.number)
        time.sleep(0.1)
    assert seen[0] == 0
    assert seen[-1] == 49  # the last one is not lost
    assert len(seen) < 12


def test_the_reading_thread_ends_with_its_source(video):
    before = threading.active_count()
    with open_source(video, live=True) as source:
        found = iter(source)
        next(found)
        found.close()
    assert threading.active_count() == before
