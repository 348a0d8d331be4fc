"""Fixtures for classifying: videos and images of plain colours, and a model that tells these colours apart."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mp09.inference.predictor import Predictor

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
RATE = 20.0


def plain(name: str, height: int = 90, width: int = 160) -> np.ndarray:
    """Return an image of one colour, uint8 (H, W, 3), planes R, G, B."""
    return np.full((height, width, 3), COLOURS[name], np.uint8)


def write_video(path: Path, names: list[str], *, frames: int = 10, height: int = 90, width: int = 160) -> Path:
    """Write a video with `frames` frames of each colour, one colour after the other. OpenCV takes planes B, G, R."""
    code = {".mp4": "mp4v", ".avi": "MJPG"}[path.suffix]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), RATE, (width, height))
    for name in names:
        for _ in range(frames):
            writer.write(plain(name, height, width)[..., ::-1])
    writer.release()
    return path


@pytest.fixture
def video(tmp_path) -> Path:
    """Write a video of 10 red, 10 green and 10 blue frames, at 20 frames a second."""
    return write_video(tmp_path / "colours.mp4", list(COLOURS))


def mean_colour(images: torch.Tensor) -> torch.Tensor:
    return (images.float().mean(dim=(2, 3)) / 20).softmax(dim=1)


@pytest.fixture
def predict() -> Predictor:
    """Return a predictor that names the colour with the highest mean."""
    return Predictor(mean_colour, tuple(COLOURS), device="cpu")
