"""OpenCV, loaded when it is needed, and quiet: what it complains about comes as errors of ours."""

import os


def cv2():
    """The module. Raises ModuleNotFoundError."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    return cv2
