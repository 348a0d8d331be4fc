"""What is written over a frame: label, probability, frames a second."""

import time
from collections import deque

import numpy as np

from mp09.inference.opencv import cv2
from mp09.inference.predictor import Prediction

HEIGHT = 1 / 18  # of the letters, as a part of the frame's
SMALLEST = 12  # pixels
WHITE = (255, 255, 255)
WINDOW_S = 1.0  # that frames a second are counted over


class Rate:
    """Frames a second, over the last second."""

    def __init__(self):
        self._times: deque[float] = deque()

    def tick(self) -> float:
        """Count one frame that is ready now, and give the rate; 0 for the first one."""
        now = time.monotonic()
        while len(self._times) > 1 and now - self._times[0] > WINDOW_S:
            self._times.popleft()
        self._times.append(now)
        return (len(self._times) - 1) / (now - self._times[0]) if len(self._times) > 1 else 0.0


def overlay(image: np.ndarray, prediction: Prediction, rate: float) -> np.ndarray:
    """A copy of a frame, uint8 (H, W, 3), with a dark strip at its top: what is on it, and frames a second."""
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
    place, room = round(1.4 * size), width - size // 2
    cv2().putText(drawn, text, (size // 2, place), WHITE, font, size)
    cv2().putText(drawn, right, (room - _width(right, font, size), place), WHITE, font, size)
    return drawn


def _width(text: str, font, size: int) -> int:
    """Of a text, in pixels."""
    _, _, width, _ = cv2().getTextSize((0, 0), text, (0, 0), font, size)
    return width
