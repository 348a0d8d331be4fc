"""Where results go: a video file, a window, or figures of images beside their classes. Use each in a `with` block."""

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mp09.errors import FrameError
from mp09.files import atomic_write
from mp09.inference.opencv import cv2
from mp09.inference.panel import panel
from mp09.inference.results import Result

if TYPE_CHECKING:
    from cv2 import VideoWriter

CODECS = {".mp4": "mp4v", ".avi": "MJPG"}  # these every build of OpenCV can write
RATE = 25.0  # frames a second for sources without a rate
DPI = 100
TITLE = "q quits"
WITH_WINDOWS = (
    "This build of OpenCV has no windows. Install one that does (pip uninstall opencv-python-headless, then pip "
    "install opencv-python), or write a file with --out."
)


HIGHEST_RATE = 60.0


class VideoFile:
    """Writes an annotated video that plays as fast as what it shows.

    Where frames were dropped, the frame before them is shown longer. The file appears under its name when it is
    closed, after an error too, with all frames that came until then. Its name decides its format.

    Args:
        path: the file, whose name ends in .mp4 or .avi.
        rate: frames a second, 60 at most, as some recordings claim a thousand; None stands for 25.

    Raises:
        FrameError: the name ends in neither, or the file can't be written.
    """

    def __init__(self, path: Path, rate: float | None):
        self.path, self.rate = Path(path), min(rate or RATE, HIGHEST_RATE)
        if self.path.suffix.lower() not in CODECS:
            raise FrameError(f"{path}: expected a name that ends in {' or '.join(CODECS)}.")
        self._temporary = self.path.with_name(f".{self.path.stem}.{os.getpid()}{self.path.suffix.lower()}")
        self._writer: VideoWriter | None = None
        self._last: np.ndarray | None = None
        self._count = 0
        self._began = 0.0

    def __enter__(self) -> "VideoFile":
        return self

    def __call__(self, result: Result) -> None:
        image = cv2().cvtColor(result.annotated, cv2().COLOR_RGB2BGR)
        if self._writer is None:
            self._writer = self._open(image)
            self._began = result.frame.seconds
        due = round((result.frame.seconds - self._began) * self.rate)
        while self._last is not None and self._count < due:
            self._write(self._writer, self._last)
        if self._count <= due:  # otherwise the camera is faster than the file, which leaves this frame out
            self._write(self._writer, image)
        self._last = image

    def __exit__(self, *_: object) -> None:
        if self._writer is None:
            return
        self._writer.release()
        try:
            self._check_whole()
            os.replace(self._temporary, self.path)
        except OSError as error:
            self._temporary.unlink(missing_ok=True)
            raise FrameError(f"{self.path}: could not be written ({error.strerror}).") from error

    def _check_whole(self) -> None:
        """Raise OSError when frames are missing in the file, as OpenCV does not say that it could not write them."""
        file = cv2().VideoCapture(str(self._temporary))
        frames = file.get(cv2().CAP_PROP_FRAME_COUNT)
        file.release()
        if frames < self._count:
            raise OSError(errno.ENOSPC, "frames are missing; is the disk full?")

    def _open(self, image: np.ndarray) -> "VideoWriter":
        height, width = image.shape[:2]
        code = cv2().VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
        writer = cv2().VideoWriter(str(self._temporary), code, self.rate, (width, height))
        if not writer.isOpened():
            raise FrameError(f"{self.path}: could not be written. Is there such a folder, and may you write there?")
        return writer

    def _write(self, writer: "VideoWriter", image: np.ndarray) -> None:
        writer.write(image)
        self._count += 1


class Window:
    """Shows annotated frames on the screen.

    Raises:
        FrameError: there is no screen, or OpenCV has no windows.
        StopWatchingError: when it is given a frame, and q was pressed or the window closed.
    """

    def __init__(self, name: str, *, wait_ms: int = 1):
        """Open a window that shows each frame for `wait_ms` milliseconds, or with 0 until a key is pressed."""
        self._name, self._wait_ms = f"{name} ({TITLE})", wait_ms
        self._shape = (0, 0)
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise FrameError("No screen to show a window on. Write a file with --out.")
        try:
            cv2().namedWindow(self._name, cv2().WINDOW_NORMAL | cv2().WINDOW_KEEPRATIO | cv2().WINDOW_GUI_NORMAL)
        except cv2().error as error:
            raise FrameError(WITH_WINDOWS) from error

    def __enter__(self) -> "Window":
        return self

    def __call__(self, result: Result) -> None:
        height, width = result.frame.image.shape[:2]
        if (height, width) != self._shape:
            self._shape = height, width
            cv2().resizeWindow(self._name, width, height)
        cv2().imshow(self._name, cv2().cvtColor(result.annotated, cv2().COLOR_RGB2BGR))
        pressed = cv2().waitKey(self._wait_ms) & 0xFF == ord("q")
        if pressed or cv2().getWindowProperty(self._name, cv2().WND_PROP_VISIBLE) < 1:
            raise StopWatchingError

    def __exit__(self, *_: object) -> None:
        cv2().destroyAllWindows()


class StopWatchingError(Exception):
    """Says that somebody pressed q or closed the window."""


class Panels:
    """Writes a figure for each image, as PNG: a single one into the file `path`, several into a folder of that name.

    Raises FrameError when a figure can't be written.
    """

    def __init__(self, path: Path, *, several: bool):
        self.path, self._several = Path(path), several

    def __enter__(self) -> "Panels":
        return self

    def __call__(self, result: Result) -> None:
        frame = result.frame
        path = self.path / f"{frame.number:04}_{Path(frame.name).stem}.png" if self._several else self.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                panel(frame.image, result.prediction, frame.name).savefig(file, format="png", dpi=DPI)
        except OSError as error:
            raise FrameError(f"{path}: could not be written ({error.strerror}).") from error

    def __exit__(self, *_: object) -> None:
        """Do nothing, as every figure is written already."""
