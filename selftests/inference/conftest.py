"""Videos and pictures of plain colours, and a network that names colours exactly."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mp09.inference.predictor import Predictor

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
RATE = 20.0


def plain(name: str, height: int = 90, width: int = 160) -> np.ndarray:
    """uint8 (H, W, 3) in R, G, B."""
    return np.full((height, width, 3), COLOURS[name], np.uint8)


def write_video(path: Path, names: list[str], *, frames: int = 10, height: int = 90, width: int = 160) -> Path:
    """So many frames of each colour, one colour after the other. OpenCV takes B, G, R."""
    code = {".mp4": "mp4v", ".avi": "MJPG"}[path.suffix]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), RATE, (width, height))
    for name in names:
        for _ in range(frames):
            writer.write(plain(name, height, width)[..., ::-1])
    writer.release()
    return path


@pytest.fixture
def video(tmp_path) -> Path:
    """10 frames red, 10 green, 10 blue, at 20 a second."""
    return write_video(tmp_path / "colours.mp4", list(COLOURS))


def mean_colour(pictures: torch.Tensor) -> torch.Tensor:
    return (pictures.float().mean(dim=(2, 3)) / 20).softmax(dim=1)


@pytest.fixture
def predict() -> Predictor:
    """The channel with the highest mean."""
    return Predictor(mean_colour, tuple(COLOURS), device="cpu")
