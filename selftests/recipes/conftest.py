"""Provides small images to learn from, and runs commands as a user types them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mp09.cli import main

COUNTS = {"airplane": 1, "bird": 1, "ship": 2, "truck": 4}  # how many images there are of each class


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Make red, green and blue images of mixed sizes in train/<class>/ and val/<class>/."""
    root = tmp_path_factory.mktemp("images") / "colours"
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 6)):
        for channel, name in enumerate(("red", "green", "blue")):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                image = random.integers(0, 90, (40 + number, 50, 3), dtype=np.uint8)
                image[..., channel] += 160
                Image.fromarray(image).save(root / split / name / f"{number}.png")
    return root


def run(*arguments) -> int:
    """Run a command with these arguments, and return its exit code."""
    return main([str(argument) for argument in arguments])


def make_labelled(folder: Path) -> Path:
    """Make images of four of the ten classes, as many as COUNTS says, in a folder for each class."""
    random = np.random.default_rng(0)
    for name, count in COUNTS.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = random.integers(0, 256, (40, 64 + number, 3), dtype=np.uint8)
            Image.fromarray(image).save(folder / name / f"{name}{number}.png")
    return folder
