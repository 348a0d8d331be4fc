"""Loads OpenCV when it is needed, and keeps it quiet, as the program reports errors itself."""

import os
from types import ModuleType


def cv2() -> ModuleType:
    """Return the module cv2. Raises ModuleNotFoundError where OpenCV is not installed."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    return cv2
