"""Provides small versions of CIFAR-10 and Tiny ImageNet to the tests of the data package."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mp09.data.cifar import CLASSES

PER_FILE = 16  # images of a file of made batches
WNIDS = ("n01443537", "n02012849", "n03126707")
WORDS = "n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\nn02012849\tcrane\nn03126707\tcrane, boom\n"


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """Make a folder of PNG images, 12 training and 4 test images of each class; the first pixel tells them apart."""
    folder = tmp_path_factory.mktemp("images")
    for split, count in (("train", 12), ("test", 4)):
        for label, name in enumerate((*CLASSES, "cat")):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.full((32, 32, 3), 100, dtype=np.uint8)
                pixels[0, 0] = (label, i, split == "test")
                Image.fromarray(pixels).save(folder / split / name / f"{i:04d}.png")
    return folder


@pytest.fixture
def root(tmp_path) -> Path:
    return tiny_set(tmp_path)


def tiny_set(folder: Path) -> Path:
    """Make a Tiny ImageNet of three classes, each with three training and two validation images.

    The red of an image is its class, and the green its number.
    """
    root = folder / "tiny-imagenet-200"
    (root / "val" / "images").mkdir(parents=True)
    lines = []
    for label, wnid in enumerate(WNIDS):
        (root / "train" / wnid / "images").mkdir(parents=True)
        (root / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
        for i in range(3):
            Image.new("RGB", (64, 64), (label, i, 0)).save(root / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", "PNG")
        for i in (label, 3 + label):
            Image.new("RGB", (64, 64), (label, i, 1)).save(root / "val" / "images" / f"val_{i}.JPEG", "PNG")
            lines.append(f"val_{i}.JPEG\t{wnid}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("\n".join(reversed(WNIDS)))
    (root / "words.txt").write_text(WORDS)
    return root


def tree(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
