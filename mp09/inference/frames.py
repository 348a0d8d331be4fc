"""Frames to classify, from a camera, a video file, a picture or a folder of pictures.

    with open_source("holiday.mp4") as source:
        for frame in source:
            frame.image            # uint8 (H, W, 3), planes R, G, B

Files give every frame. A live source, such as a camera, gives its newest one: those that came while the last one was
worked on are dropped, so that what is said of a frame is never said late.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mp09.data.pictures import SUFFIXES, read_picture
from mp09.errors import DataError, FrameError
from mp09.inference.opencv import cv2

CAMERA_SIZE = (1280, 720)  # asked of a camera: width and height
CAMERA_DIGITS = 3  # of a camera's number
CAMERA_WAIT_S = 5.0  # for its next frame, before it counts as gone
RATE = 25.0  # frames a second, of a video that does not say
ESTIMATE = 0.97  # some kinds of file give their length only about right


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    image: uint8 (H, W, 3), planes R, G, B
    number: from 0; dropped ones count
    seconds: since the first one
    name: a file's, or the source's with the number
    """

    image: np.ndarray
    number: int
    seconds: float
    name: str


class Source:
    """Frames in their order. Use it once, in a `with` block.

    name: as messages have it
    rate: frames a second; None where there is none
    live: whether frames come by themselves, and the newest counts
    notes: what went wrong without ending it, in words; complete when the frames have ended
    """

    rate: float | None = None
    live = False

    def __init__(self, name: str):
        self.name = name
        self.notes: list[str] = []

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError

    def close(self) -> None:
        """Give back what is open."""


class Pictures(Source):
    """Picture files; what can't be read is an error where it is the only one, and a note elsewhere."""

    def __init__(self, name: str, files: list[Path]):
        super().__init__(name)
        self.files = files

    def __iter__(self) -> Iterator[Frame]:
        readable = 0
        for number, path in enumerate(self.files):
            try:
                image = read_picture(path).transpose(1, 2, 0)
            except DataError as error:
                if len(self.files) == 1:
                    raise
                self.notes.append(str(error))
                continue
            readable += 1
            yield Frame(image, number, 0.0, path.name)
        if not readable:
            raise FrameError(f"{self.name}: none of its {len(self.files)} pictures can be read; {self.notes[0]}")


class _Capture(Source):
    """What OpenCV reads."""

    def __init__(self, name: str, what: str | int, missing: str):
        super().__init__(name)
        self._capture = cv2().VideoCapture(what)
        if not self._capture.isOpened():
            raise FrameError(f"{name}: {missing}")

    def _read(self) -> np.ndarray | None:
        """The next frame in R, G, B (OpenCV's planes are B, G, R), or None."""
        there, image = self._capture.read()
        return cv2().cvtColor(image, cv2().COLOR_BGR2RGB) if there else None

    def close(self) -> None:
        self._capture.release()


class Video(_Capture):
    """Every frame of a video file. Raises FrameError when it is no video, or has no frame that can be read."""

    def __init__(self, path: Path):
        super().__init__(
            path.name,
            str(path),
            "not a video that OpenCV can read. Convert it, e.g. to MP4 with H.264, or fetch it again.",
        )
        self.rate = self._capture.get(cv2().CAP_PROP_FPS) or RATE

    def __iter__(self) -> Iterator[Frame]:
        number, expected = 0, int(self._capture.get(cv2().CAP_PROP_FRAME_COUNT))
        while (image := self._read()) is not None:
            yield Frame(image, number, number / self.rate, f"{self.name} {number}")
            number += 1
        if not number:
            raise FrameError(f"{self.name}: has no frame that can be read. Fetch it again, or record it anew.")
        if number < ESTIMATE * expected:
            self.notes.append(
                f"{self.name}: ended after {number} of {expected} frames; the file is damaged or cut off."
            )


class Camera(_Capture):
    """A camera's newest frame. Raises FrameError when there is no such camera, or no more frames come."""

    live = True

    def __init__(self, index: int):
        super().__init__(
            f"camera {index}", index, "there is none, or another program uses it. Try another number, or give a file."
        )
        for key, value in zip((cv2().CAP_PROP_FRAME_WIDTH, cv2().CAP_PROP_FRAME_HEIGHT), CAMERA_SIZE, strict=True):
            self._capture.set(key, value)

    def __iter__(self) -> Iterator[Frame]:
        return newest(self._frames(), self._gone)

    def _frames(self) -> Iterator[Frame]:
        started, number = time.monotonic(), 0
        while (image := self._read()) is not None:
            yield Frame(image, number, time.monotonic() - started, f"{self.name} {number}")
            number += 1
        raise self._gone()

    def _gone(self) -> FrameError:
        return FrameError(f"{self.name}: gives no more frames. Is it still plugged in?")


class Live(Source):
    """A video played at its own rate as if it came from a camera: for rehearsals."""

    live = True

    def __init__(self, video: Video):
        super().__init__(video.name)
        self.rate, self.notes, self._video = video.rate, video.notes, video

    def __iter__(self) -> Iterator[Frame]:
        return newest(self._paced(), lambda: FrameError(f"{self.name}: gives no more frames."))

    def _paced(self) -> Iterator[Frame]:
        started = time.monotonic()
        for frame in self._video:
            time.sleep(max(0.0, started + frame.seconds - time.monotonic()))
            yield frame

    def close(self) -> None:
        self._video.close()


def newest(frames: Iterator[Frame], gone: Callable[[], FrameError]) -> Iterator[Frame]:
    """The newest of frames that come by themselves: those that nobody waited for are dropped.

    gone: makes the error to raise when none comes for CAMERA_WAIT_S.
    """
    changed, closed = threading.Condition(), threading.Event()
    waiting: list[Frame] = []  # one at most
    ended: list[Exception | None] = []  # one when no more frames come

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
        reader.join(CAMERA_WAIT_S)  # or what it reads from would be closed under it


def open_source(source: str | Path, *, live: bool = False) -> Source:
    """A camera by its number, a picture, a folder with pictures at any depth, or a video, played `live` where asked.

    Raises FrameError when there is no such thing, or nothing in it.
    """
    path = Path(source)
    if str(source).isdecimal() and len(str(source)) <= CAMERA_DIGITS and not path.exists():
        return Camera(int(source))
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
        if not files:
            raise FrameError(f"{path}: no pictures in this folder ({', '.join(SUFFIXES)}).")
        return Pictures(str(path), files)
    if not path.is_file():
        raise FrameError(f"{source}: expected a camera's number, a video, a picture or a folder; found no such file.")
    if path.suffix.lower() in SUFFIXES:
        return Pictures(path.name, [path])
    return Live(Video(path)) if live else Video(path)
