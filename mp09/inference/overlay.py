"""Writes the label, its probability and the frames a second over a frame."""

import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from mp09.inference.opencv import cv2
from mp09.inference.predictor import Prediction

if TYPE_CHECKING:
    from cv2 import FontFace

HEIGHT = 1 / 18  # height of the letters, as a part of the frame's
SMALLEST = 12  # the least height of the letters in pixels, unless the text is too wide
WHITE = (255, 255, 255)
WINDOW_S = 1.0  # how long frames are counted to get their rate


class Rate:
    """Counts frames a second, over the last second."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def tick(self) -> float:
        """Count one frame that is ready now, and return the rate; it is 0 for the first frame."""
        now = time.monotonic()
        while len(self._times) > 1 and now - self._times[0] > WINDOW_S:
            self._times.popleft()
        self._times.append(now)
        return (len(self._times) - 1) / (now - self._times[0]) if len(self._times) > 1 else 0.0


def overlay(image: np.ndarray, prediction: Prediction, rate: float) -> np.ndarray:
    """Return a copy of a frame, uint8 (H, W, 3), with a dark strip at its top that shows prediction and rate."""
    text = f"{prediction.label}  {prediction.probability:.0%}"
    right = f"{rate:.1f} frames/s"
    font = cv2().FontFace("sans")
    height, width = image.shape[:2]
    size = max(SMALLEST, round(height * HEIGHT))
    while size > SMALLEST // 2 and _width(f"{text}   {right}", font, size) > width - size:
        size -= 1
    strip = min(2 * size, height)
    drawn = image.copy()
    drawn[:strip] //= 3
    baseline, width_left = round(1.4 * size), width - size // 2
    cv2().putText(drawn, text, (size // 2, baseline), WHITE, font, size)
    cv2().putText(drawn, right, (width_left - _width(right, font, size), baseline), WHITE, font, size)
    return drawn


def _width(text: str, font: "FontFace", size: int) -> int:
    """Return the width of a text in pixels."""
    _, _, width, _ = cv2().getTextSize((0, 0), text, (0, 0), font, size)
    return width
