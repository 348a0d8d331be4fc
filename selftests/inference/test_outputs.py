"""What is written can be played and viewed, and what can't be written or shown says why."""

import os

import cv2
import numpy as np
import pytest
from PIL import Image

from mp09.errors import FrameError
from mp09.inference.frames import Frame, open_source
from mp09.inference.outputs import Panels, VideoFile, Window
from mp09.inference.results import Result, results
from selftests.conftest import small_files
from selftests.inference.conftest import plain


def result(predict, seconds: float, colour: str = "red") -> Result:
    image = plain(colour)
    return Result(Frame(image, 0, seconds, "a.png"), predict(image), 9.0)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_an_annotated_video_has_the_same_frames_with_a_strip(suffix, video, predict, tmp_path):
    out = tmp_path / f"out{suffix}"
    with open_source(video) as source, VideoFile(out, source.rate) as file:
        for found in results(source, predict):
            file(found)
    with open_source(out) as written, open_source(video) as source:
        pairs = list(zip(written, source, strict=True))
        assert (written.rate, len(pairs)) == (source.rate, 30)
    for drawn, frame in pairs:
        assert np.abs(drawn.image[60:].astype(int) - frame.image[60:]).mean() < 12
        assert drawn.image[:20].mean() < frame.image[:20].mean()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_frame_stands_until_the_next_one_came(predict, tmp_path):
    with VideoFile(tmp_path / "out.avi", 10.0) as file:
        for seconds, colour in ((5.0, "red"), (5.8, "green"), (6.0, "blue")):
            file(result(predict, seconds, colour))
    with open_source(tmp_path / "out.avi") as source:
        shown = [int(frame.image[60:].mean(axis=(0, 1)).argmax()) for frame in source]
    assert shown == [0] * 8 + [1] * 2 + [2]


def test_a_camera_quicker_than_the_file_does_not_slow_it_down(predict, tmp_path):
    with VideoFile(tmp_path / "out.avi", 10.0) as file:
        for number in range(41):
            file(result(predict, number / 40))  # all within one second
    with open_source(tmp_path / "out.avi") as source:
        assert len(list(source)) == 11


def test_a_folder_in_the_place_of_the_video_is_an_error(predict, tmp_path):
    (tmp_path / "out.mp4").mkdir()

    def write():
        with VideoFile(tmp_path / "out.mp4", 10.0) as file:
            file(result(predict, 0.0))

    with pytest.raises(FrameError, match="could not be written"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("name", ["out.mp4", "out.avi"])
def test_a_video_that_the_disk_has_no_room_for_is_an_error(predict, tmp_path, name):
    def write():
        with small_files(100), VideoFile(tmp_path / name, 10.0) as file:
            file(result(predict, 0.0))

    with pytest.raises(FrameError, match=f"{name}: could not be written .frames are missing; is the disk full"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_came_before_an_error_is_kept(predict, tmp_path):
    def unplugged():
        with VideoFile(tmp_path / "out.mp4", 10.0) as file:
            file(result(predict, 0.0))
            raise FrameError("unplugged")

    with pytest.raises(FrameError, match="unplugged"):
        unplugged()
    with open_source(tmp_path / "out.mp4") as source:
        assert len(list(source)) == 1


def test_nothing_is_written_without_frames(tmp_path):
    with VideoFile(tmp_path / "out.mp4", 10.0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_another_kind_is_refused(tmp_path):
    with pytest.raises(FrameError, match=r"out\.gif: expected a name that ends in \.mp4 or \.avi"):
        VideoFile(tmp_path / "out.gif", 10.0)


def test_a_folder_that_is_not_there_is_named(predict, tmp_path):
    with (
        pytest.raises(FrameError, match=r"out\.mp4: could not be written\. Is there such a folder"),
        VideoFile(tmp_path / "no" / "out.mp4", 10.0) as file,
    ):
        file(result(predict, 0.0))


@pytest.mark.parametrize(("several", "name"), [(False, "out"), (True, "out/0000_a.png")])
def test_panels_are_images(several, name, predict, tmp_path):
    with Panels(tmp_path / "out", several=several) as panels:
        panels(result(predict, 0.0))
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == ("PNG", (900, 400))


def test_panels_that_cannot_be_written_are_an_error(predict, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FrameError, match=r"0000_a\.png: could not be written"):
        Panels(tmp_path / "out", several=True)(result(predict, 0.0))
    assert (tmp_path / "out").read_text() == "mine"


def test_without_a_screen_there_is_no_window(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(FrameError, match=r"No screen to show a window on\. Write a file with --out"):
        Window("film")


@pytest.mark.skipif("GUI:                           NONE" not in cv2.getBuildInformation(), reason="it has windows")
def test_a_build_without_windows_says_what_to_install(monkeypatch):
    monkeypatch.setitem(os.environ, "DISPLAY", ":0")
    with pytest.raises(FrameError, match=r"has no windows\. Install one that does \(pip uninstall opencv-python-head"):
        Window("film")
