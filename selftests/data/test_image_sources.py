"""Tests that folders and archives of images become batches, and that every fault in them is named."""

import os
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mp09.data.archives import read_files
from mp09.data.cifar import CLASSES, TEST_FILE, TRAIN_FILES, read_batch
from mp09.data.origins import from_images
from mp09.data.prepare import make_batches
from mp09.errors import DataError
from selftests.data.conftest import PER_FILE


@pytest.fixture
def copy(images, tmp_path) -> Path:
    return Path(shutil.copytree(images, tmp_path / "images"))


def pack(folder: Path, target: Path) -> Path:
    """Pack a folder as .tar, .tar.gz, .tar.xz or .zip, inside a folder called top."""
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            for file in sorted(folder.rglob("*.png")):
                archive.write(file, Path("top") / file.relative_to(folder))
    else:
        with tarfile.open(target, "w:" + target.suffix[1:].replace("tar", "")) as archive:
            archive.add(folder, "top")
    return target


@pytest.mark.parametrize("suffix", ["", ".tar", ".tar.gz", ".tar.xz", ".zip"])
def test_folders_and_archives_of_images_give_the_same_batches(images, tmp_path, suffix):
    source = pack(images, tmp_path / f"images{suffix}") if suffix else images
    out = tmp_path / "out"
    made = make_batches(out, from_images(source), per_file=PER_FILE)
    direct = make_batches(tmp_path / "direct", from_images(images), per_file=PER_FILE)
    assert made.checksums == direct.checksums
    assert made.counts == {**dict.fromkeys(TRAIN_FILES, 16), TEST_FILE: 16}


def test_a_link_hides_no_folder(copy):
    before = read_files(copy)
    (copy / "all").symlink_to(copy / "train")
    (copy / "gone.png").symlink_to(copy / "nothing")
    assert read_files(copy) == before


def test_a_class_folder_may_be_a_link(copy, tmp_path):
    shutil.move(copy / "train" / "airplane", tmp_path / "elsewhere")
    (copy / "train" / "airplane").symlink_to(tmp_path / "elsewhere")
    (copy / "train" / "bird" / "up").symlink_to(copy)
    found = read_files(copy)
    assert len(found["train", "airplane"]) == len(found["train", "bird"]) > 0


def test_labels_belong_to_their_images_and_names(images, tmp_path):
    make_batches(tmp_path / "out", from_images(images), per_file=PER_FILE)
    for file in (*TRAIN_FILES, TEST_FILE):
        batch = read_batch(tmp_path / "out" / file)
        assert np.array_equal(batch.images[:, 0, 0, 0], batch.labels)
        names = pickle.loads((tmp_path / "out" / file).read_bytes())[b"filenames"]
        assert [name.split(b"_")[0].decode() for name in names] == [CLASSES[label] for label in batch.labels]


def test_training_and_test_images_stay_apart_and_balanced(images, tmp_path):
    make_batches(tmp_path / "out", from_images(images), per_file=PER_FILE)
    test = read_batch(tmp_path / "out" / TEST_FILE)
    assert set(test.images[:, 2, 0, 0]) == {1}
    assert np.bincount(test.labels).tolist() == [2] * 8


def test_the_seed_decides_the_order(images, tmp_path):
    orders = [make_batches(tmp_path / str(s), from_images(images), per_file=16, seed=s).checksums for s in (0, 1)]
    assert orders[0] != orders[1]


def test_unknown_images_are_not_called_cifar10(images, tmp_path):
    name = make_batches(tmp_path / "out", from_images(images), per_file=PER_FILE).name
    assert name == f"{images.name} (PNG)"


def test_a_missing_class_folder_is_named(copy, tmp_path):
    shutil.rmtree(copy / "test" / "frog")
    with pytest.raises(DataError, match="no images in test/frog"):
        make_batches(tmp_path / "out", from_images(copy), per_file=PER_FILE)
    assert not (tmp_path / "out").exists()


def test_too_few_images_are_counted(images, tmp_path):
    with pytest.raises(DataError, match=r"train/airplane: expected at least 5000 images, found 12.*--per-file"):
        make_batches(tmp_path / "out", from_images(images))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no image", "not a readable image"), (None, "expected 32x32 pixels, got 31x32")],
)
def test_a_bad_image_is_named(copy, tmp_path, content, message):
    path = copy / "train" / "ship" / "0000.png"
    if content:
        path.write_bytes(content)
    else:
        Image.new("RGB", (31, 32)).save(path)
    with pytest.raises(DataError, match=f"train/ship/0000.png: {message}"):
        make_batches(tmp_path / "out", from_images(copy), per_file=PER_FILE)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz", ".zip"])
def test_a_truncated_archive_is_an_error(images, tmp_path, suffix):
    path = pack(images, tmp_path / f"images{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="not a complete archive"):
        make_batches(tmp_path / "out", from_images(path), per_file=PER_FILE)


def test_an_altered_archive_is_an_error(images, tmp_path):
    path = pack(images, tmp_path / "images.tar.xz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a complete archive"):
        make_batches(tmp_path / "out", from_images(path), per_file=PER_FILE)


def test_a_damaged_last_header_is_an_error(images, tmp_path):
    path = pack(images, tmp_path / "images.tar")
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo("last"))
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1].offset
    content = bytearray(path.read_bytes())
    content[last] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not a complete archive .*damaged header"):
        make_batches(tmp_path / "out", from_images(path), per_file=PER_FILE)


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        make_batches(tmp_path / "out", from_images(tmp_path / "nowhere"), per_file=PER_FILE)
