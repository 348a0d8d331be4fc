"""Reads frames to classify from a camera, a video file, an image or a folder of images.

    with open_source("holiday.mp4") as source:
        for frame in source:
            frame.image            # uint8 (H, W, 3), planes R, G, B

Files give every frame. A live source, such as a camera, gives its newest frame and drops those that came while the one
before was being classified, so that a prediction is never shown late.
"""

import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mp09.data.image_files import SUFFIXES, files_below, is_image, other_format, read_image, tell_left_aside
from mp09.errors import DataError, FrameError
from mp09.inference.opencv import cv2

CAMERA_SIZE = (1280, 720)  # width and height that a camera is asked for
CAMERA_DIGITS = 3  # digits that a camera's number has at most
CAMERA_WAIT_S = 5.0  # how long a camera's next frame may take before the camera counts as gone
RATE = 25.0  # frames a second of a video that does not say
ESTIMATE = 0.97  # some kinds of file say only roughly how long they are


@dataclass(frozen=True)
class Frame:
    """A frame is one image of a source.

    Attributes:
        image: uint8 (H, W, 3), planes R, G, B, values 0 to 255.
        number: counts from 0, dropped frames included.
        seconds: the time since the first frame; 0 for image files. A video's frames need not be equally far apart.
        name: the name of the image file, or that of the source with the number.
    """

    image: np.ndarray
    number: int
    seconds: float
    name: str


class FrameSource:
    """A source gives frames in their order. Use it once, in a `with` block.

    Attributes:
        name: what messages call the source.
        rate: frames a second; None where the source has no rate.
        live: whether frames come by themselves, so that only the newest counts.
        notes: sentences about what went wrong without ending the source; complete when the frames have ended.
    """

    rate: float | None = None
    live = False

    def __init__(self, name: str):
        self.name = name
        self.notes: list[str] = []

    def __enter__(self) -> "FrameSource":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Generator[Frame]:
        raise NotImplementedError

    def close(self) -> None:
        """Close the file or camera that is open."""


class ImageFiles(FrameSource):
    """Gives image files. One that can't be read is an error where it is the only one, and a note otherwise."""

    def __init__(self, name: str, files: list[Path]):
        super().__init__(name)
        self.files = files

    def __iter__(self) -> Generator[Frame]:
        readable = 0
        for number, path in enumerate(self.files):
            try:
                image = read_image(path).transpose(1, 2, 0)
            except DataError as error:
                if len(self.files) == 1:
                    raise
                self.notes.append(str(error))
                continue
            readable += 1
            yield Frame(image, number, 0.0, path.name)
        if not readable:
            raise FrameError(f"{self.name}: none of its {len(self.files)} images can be read; {self.notes[0]}")


class _Capture(FrameSource):
    """Gives what OpenCV reads."""

    def __init__(self, name: str, what: str | int, missing: str):
        super().__init__(name)
        self._capture = cv2().VideoCapture(what)
        if not self._capture.isOpened():
            raise FrameError(f"{name}: {missing}")

    def _read(self) -> np.ndarray | None:
        """Return the next frame with planes R, G, B (OpenCV's are B, G, R), or None."""
        there, image = self._capture.read()
        return cv2().cvtColor(image, cv2().COLOR_BGR2RGB) if there else None

    def close(self) -> None:
        self._capture.release()


class Video(_Capture):
    """Gives every frame of a video file. Raises FrameError when it is no video, or no frame can be read."""

    def __init__(self, path: Path):
        if not str(path).isprintable():  # OpenCV crashes on names that are no text
            raise FrameError(f"{str(path)!r}: the name can't be shown as text. Rename it.")
        super().__init__(
            path.name,
            str(path),
            "not a video that OpenCV can read. Convert it, e.g. to MP4 with H.264, or fetch it again.",
        )
        self.rate: float = self._capture.get(cv2().CAP_PROP_FPS) or RATE

    def __iter__(self) -> Generator[Frame]:
        number, expected = 0, int(self._capture.get(cv2().CAP_PROP_FRAME_COUNT))
        first = last = 0.0
        while (image := self._read()) is not None:
            shown = self._capture.get(cv2().CAP_PROP_POS_MSEC) / 1000  # when the file says that the frame is shown
            if not number:
                first = shown
            elif shown - first > last:
                last = shown - first
            else:  # some kinds of file don't say it; then frames follow each other at the average rate
                last += 1 / self.rate
            yield Frame(image, number, last, f"{self.name} {number}")
            number += 1
        if not number:
            raise FrameError(f"{self.name}: has no frame that can be read. Fetch it again, or record it anew.")
        if number < ESTIMATE * expected:
            self.notes.append(
                f"{self.name}: ended after {number} of {expected} frames; the file is damaged or cut off."
            )


class Camera(_Capture):
    """Gives a camera's newest frame. Raises FrameError when there is no such camera, or no more frames come."""

    live = True

    def __init__(self, index: int):
        super().__init__(
            f"camera {index}", index, "there is none, or another program uses it. Try another number, or give a file."
        )
        for key, value in zip((cv2().CAP_PROP_FRAME_WIDTH, cv2().CAP_PROP_FRAME_HEIGHT), CAMERA_SIZE, strict=True):
            self._capture.set(key, value)

    def __iter__(self) -> Generator[Frame]:
        return newest(self._frames(), self._gone)

    def _frames(self) -> Iterator[Frame]:
        started, number = time.monotonic(), 0
        while (image := self._read()) is not None:
            yield Frame(image, number, time.monotonic() - started, f"{self.name} {number}")
            number += 1
        raise self._gone()

    def _gone(self) -> FrameError:
        return FrameError(f"{self.name}: gives no more frames. Is it still plugged in?")


class Live(FrameSource):
    """Plays a video at its own rate as if it came from a camera, so that one can rehearse without a camera."""

    live = True

    def __init__(self, video: Video):
        super().__init__(video.name)
        self.rate, self.notes, self._video = video.rate, video.notes, video

    def __iter__(self) -> Generator[Frame]:
        return newest(self._paced(), lambda: FrameError(f"{self.name}: gives no more frames."))

    def _paced(self) -> Iterator[Frame]:
        started = time.monotonic()
        for frame in self._video:
            time.sleep(max(0.0, started + frame.seconds - time.monotonic()))
            yield frame

    def close(self) -> None:
        self._video.close()


def newest(frames: Iterator[Frame], gone: Callable[[], FrameError]) -> Generator[Frame]:
    """Yield the newest of frames that come by themselves, and drop those that nobody waited for.

    Args:
        frames: is read in a thread of its own; an error in it is raised here.
        gone: makes the error to raise when no frame comes for CAMERA_WAIT_S.
    """
    changed, closed = threading.Condition(), threading.Event()
    waiting: list[Frame] = []  # holds one frame at most
    ended: list[Exception | None] = []  # holds the error or None as soon as no more frames come

    def read() -> None:
        reason = None
        try:
            for frame in frames:
                with changed:
                    waiting[:] = [frame]
                    changed.notify()
                if closed.is_set():
                    return
        except Exception as error:
            reason = error
        with changed:
            ended.append(reason)
            changed.notify()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while True:
            with changed:
                if not changed.wait_for(lambda: waiting or ended, CAMERA_WAIT_S):
                    raise gone()
                frame = waiting.pop() if waiting else None
            if frame is not None:
                yield frame
            elif ended[0] is not None:
                raise ended[0]
            else:
                return
    finally:
        closed.set()
        reader.join(CAMERA_WAIT_S)  # or its camera would be closed while it reads


def open_source(source: str | Path, *, live: bool = False) -> FrameSource:
    """Open a source of frames.

    Args:
        source: the number of a camera, such as "0"; or the path of an image, of a folder with images at any depth,
            which are sorted by path, or of a video.
        live: whether to play a video as if it came from a camera, at its own rate; by default every frame counts.

    Returns:
        A source to iterate over once, in a `with` block. Each frame has an `image` uint8 (H, W, 3), planes R, G, B,
        values 0 to 255, a `number` from 0 on, and `seconds` since the first frame. A camera, or a video played live,
        gives its newest frame and drops those that came meanwhile; other files give all.

    Raises:
        FrameError: there is no such thing, or nothing in it.
        DataError: a folder in it can't be read.
    """
    path = Path(source)
    if str(source).isdecimal() and len(str(source)) <= CAMERA_DIGITS and not path.exists():
        return Camera(int(str(source)))
    if path.is_dir():
        found = sorted(filter(os.path.isfile, files_below(path)))
        files = [file for file in found if is_image(file.name)]
        tell_left_aside(path, [file.name for file in found if not file.name.lower().endswith(SUFFIXES)])
        if not files:
            raise FrameError(f"{path}: no images in this folder ({', '.join(SUFFIXES)}).")
        return ImageFiles(str(path), files)
    if not path.is_file():
        raise FrameError(f"{source}: expected a camera's number, a video, an image or a folder; found no such file.")
    if path.suffix.lower() in SUFFIXES:
        return ImageFiles(path.name, [path])
    if other := other_format(path):
        raise FrameError(f"{path.name}: an image in a format that can't be read ({other}). Convert it to JPEG.")
    return Live(Video(path)) if live else Video(path)
