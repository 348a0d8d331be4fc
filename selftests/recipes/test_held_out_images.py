"""Tests which images are held out for validation."""

import numpy as np
import pytest
from PIL import Image

from mp09.errors import DataError
from mp09.recipes.datasets import open_data


@pytest.mark.parametrize("seed", range(4))
def test_every_class_has_validation_images(tmp_path, seed):
    for name, count in (("train/rare", 2), ("train/once", 1), ("train/usual", 30)):
        for folder, number in [(tmp_path / name, count), (tmp_path / name.replace("train", "test"), 1)]:
            folder.mkdir(parents=True)
            for index in range(number):
                Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"{index}.png")
    data = open_data(tmp_path, seed=seed)
    assert data.classes == ("once", "rare", "usual")
    assert np.bincount(data.train.labels).tolist() == [1, 1, 27]
    assert np.bincount(data.valid.labels).tolist() == [0, 1, 3]


def test_images_that_can_not_be_read_are_never_the_held_out_ones(tmp_path):
    for name in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / name).mkdir(parents=True)
        for index in range(10):
            Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / name / f"{index}.png")
    for index in range(8):
        (tmp_path / "train" / "a" / f"{index}.png").write_bytes(b"no image")
    data = open_data(tmp_path, skip_unreadable=True)
    assert np.bincount(data.train.labels).tolist() == [1, 9]
    assert np.bincount(data.valid.labels).tolist() == [1, 1]


def test_classes_of_one_image_are_too_few(tmp_path):
    for index in range(10):
        for split in ("train", "test"):
            (tmp_path / split / f"class{index}").mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(tmp_path / split / f"class{index}" / "0.png")
    with pytest.raises(DataError, match="at least 10 training images, and two of a class"):
        open_data(tmp_path)
