import os
import shutil
import subprocess
import sys
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mp09.data import class_folders
from mp09.data.class_folders import (
    Listing,
    digest,
    drop_unreadable,
    list_images,
    load_images,
    open_folders,
)
from mp09.data.image_files import files_below
from mp09.errors import DataError


def draw(path: Path, colour=(200, 100, 50), size=(8, 6), mode="RGB", **options) -> Path:
    """Save an image of one colour; the size is (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Make three classes of three images, 8x6 pixels; the red of an image is its class, the green its number."""
    for label, name in enumerate(("ant", "bee", "cow")):
        for i in range(3):
            draw(tmp_path / "set" / name / f"{i}.png", (label, i, 0))
    return tmp_path / "set"


def names(listing: Listing, folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in listing.files]


def damage(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-30])
    return path


# Listing the images


def test_a_sub_folder_is_a_class(folder):
    listing = list_images(folder)
    assert (listing.classes, listing.labels.tolist(), len(listing)) == (
        ("ant", "bee", "cow"),
        [0, 0, 0, 1, 1, 1, 2, 2, 2],
        9,
    )
    assert (listing.labels.dtype, names(listing, folder)[:4]) == (
        np.int64,
        ["ant/0.png", "ant/1.png", "ant/2.png", "bee/0.png"],
    )


def test_order_and_labels_are_those_of_image_folder(folder):
    datasets = pytest.importorskip("torchvision.datasets")
    for name in (
        "Ant/9.JPG",
        "ant/x/1.jpeg",
        "ant/x-y/1.webp",
        "ant/x/z/1.bmp",
        "bee/10.tiff",
        "bee/a.PpM",
        "bee/B.png",
    ):
        draw(folder / name)
    (folder / "bee" / "notes.txt").write_text("no image")
    listing = list_images(folder)
    samples = [(str(file), label) for file, label in zip(listing.files, listing.labels.tolist(), strict=True)]
    assert samples == datasets.ImageFolder(folder).samples


def test_hidden_files_and_folders_are_left_out(folder):
    before = list_images(folder)
    for name in (".trash/a.png", "ant/.ipynb_checkpoints/0.png", "ant/._0.png"):
        draw(folder / name)
    after = list_images(folder)
    assert (after.files, after.classes) == (before.files, before.classes)


@pytest.mark.parametrize("name", ["dog", "cow/more"])
def test_a_linked_folder_counts(folder, tmp_path, name):
    (folder / name).symlink_to(draw(tmp_path / "elsewhere" / "a.png").parent)
    assert names(list_images(folder), folder)[-1] == f"{name}/a.png"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: expected a folder with one sub-folder a class \(No such file"):
        list_images(tmp_path / "nowhere")


def test_images_without_class_folders_are_counted(folder):
    with pytest.raises(DataError, match=r"ant: expected one sub-folder a class, found 3 images directly in it\. Move"):
        list_images(folder / "ant")


def test_an_empty_folder_has_no_classes(tmp_path):
    with pytest.raises(DataError, match=r"expected one sub-folder a class, found none\."):
        list_images(tmp_path)


def test_splits_are_not_classes(folder):
    (folder / "ant").rename(folder / "train")
    (folder / "bee").rename(folder / "val")
    shutil.rmtree(folder / "cow")
    with pytest.raises(DataError, match=r"found the splits train, val\. Give one"):
        list_images(folder)


def test_empty_class_folders_are_counted_and_named(folder):
    for i in range(7):
        (folder / f"empty{i}").mkdir()
    with pytest.raises(
        DataError, match=r"7 of 10 class folders have no images \(\.jpg, .*: empty0, .*, empty4 and 2 more"
    ):
        list_images(folder)


def test_a_name_in_another_form_of_unicode_is_the_same_class(folder, tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    assert composed != decomposed
    for split, name in (("train", composed), ("val", decomposed)):
        shutil.copytree(next(folder.glob("*/")), tmp_path / split / name)
        shutil.copytree(next(folder.glob("*/")), tmp_path / split / "tea")
    listings = open_folders(tmp_path)
    assert {listing.classes for listing in listings.values()} == {("café", "tea")}


def test_two_class_folders_of_one_name_are_refused(folder, tmp_path):
    for form in ("NFC", "NFD"):
        shutil.copytree(next(folder.glob("*/")), tmp_path / unicodedata.normalize(form, "café"))
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system has one form of Unicode")
    with pytest.raises(DataError, match="two class folders are called 'café', in two ways of Unicode"):
        list_images(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
@pytest.mark.parametrize("name", [b"caf\xe9", b"two\nlines"])
def test_a_class_folder_whose_name_is_no_text_is_refused(folder, tmp_path, name):
    shutil.copytree(next(folder.glob("*/")), os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    with pytest.raises(DataError, match=r"the name of the class folder '.*' can't be shown as text\. Rename it"):
        list_images(tmp_path)


@pytest.mark.parametrize("name", ["می\u200cخواهم", "犬\u3000猫", "👩\u200d🔬", "a\u00a0b"])
def test_every_text_is_a_name(folder, tmp_path, name):
    shutil.copytree(next(folder.glob("*/")), tmp_path / "copy" / name)
    assert list_images(tmp_path / "copy").classes == (name,)


def test_a_file_whose_name_is_no_text_is_an_image_like_others(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    some = next(file for file in copy.rglob("*.*") if file.is_file())
    before = len(list_images(copy))
    shutil.copy(some, os.fsencode(some.parent) + b"/caf\xe9\n" + os.fsencode(some.suffix))
    assert len(list_images(copy)) == before + 1


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"gone: could not be read \(No such file or directory\)"):
        files_below(tmp_path / "gone")


# Listing the splits


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test"])
def test_train_and_the_rest(folder, tmp_path, name):
    for part in ("train", name):
        shutil.copytree(folder, tmp_path / "root" / part)
    train, rest = open_folders(tmp_path / "root").values()
    assert (train.files[0].parts[-3:], rest.files[0].parts[-3:]) == (("train", "ant", "0.png"), (name, "ant", "0.png"))


def test_val_and_test_are_two(folder, tmp_path):
    for part in ("train", "test", "val"):
        shutil.copytree(folder, tmp_path / "root" / part)
    found = {split: listing.files[0].parts[-3] for split, listing in open_folders(tmp_path / "root").items()}
    assert found == {"train": "train", "valid": "val", "test": "test"}


def test_a_missing_split_is_an_error(folder):
    with pytest.raises(DataError, match=r"expected the folder train, and val or test or both, found ant, bee, cow\."):
        open_folders(folder)


def test_classes_that_differ_are_named(folder, tmp_path):
    for part in ("train", "val"):
        shutil.copytree(folder, tmp_path / "root" / part)
    (tmp_path / "root" / "val" / "bee").rename(tmp_path / "root" / "val" / "elk")
    with pytest.raises(DataError, match=r"same class folders in train and val; only train has bee; only val has elk\."):
        open_folders(tmp_path / "root")


# Leaving out unreadable images


def test_unreadable_ones_are_left_out(folder):
    bad = (damage(folder / "ant" / "1.png"), damage(folder / "cow" / "0.png"))
    kept, dropped = drop_unreadable(list_images(folder))
    assert (dropped, kept.labels.tolist(), kept.classes) == (bad, [0, 0, 1, 1, 1, 2, 2], ("ant", "bee", "cow"))
    assert not set(bad) & set(kept.files)


def test_a_class_that_loses_all_is_an_error(folder):
    for i in range(3):
        damage(folder / "bee" / f"{i}.png")
    with pytest.raises(DataError, match=r"no readable image of bee; the first is .*bee/0\.png\. Replace them"):
        drop_unreadable(list_images(folder))


# Loading all images


def test_images_and_labels_belong_together(folder):
    loaded = load_images(list_images(folder))
    assert (loaded.images.shape, loaded.images.dtype) == ((9, 3, 6, 8), np.uint8)
    assert np.array_equal(loaded.images[:, 0, 0, 0], loaded.labels)
    assert (loaded.images[:, 1, 0, 0].tolist(), loaded.classes) == ([0, 1, 2] * 3, ("ant", "bee", "cow"))


def test_the_number_of_threads_changes_nothing(tmp_path):
    for i in range(200):  # enough for several blocks
        draw(tmp_path / "a" / f"{i:03d}.png", (i, 0, 0))
    for workers in (1, 3):
        loaded = load_images(list_images(tmp_path), workers=workers)
        assert loaded.images[:, 0, 0, 0].tolist() == list(range(200))


def test_other_sizes_are_not_loaded(folder):
    draw(folder / "cow" / "9.png", size=(6, 8))
    assert load_images(list_images(folder)) is None


def test_too_many_are_not_even_read(folder, monkeypatch):
    damage(folder / "ant" / "1.png")
    monkeypatch.setattr(class_folders, "MEMORY_LIMIT", 9 * 3 * 6 * 8 - 1)
    assert load_images(list_images(folder)) is None


def test_what_just_fits_is_loaded(folder, monkeypatch):
    monkeypatch.setattr(class_folders, "MEMORY_LIMIT", 9 * 3 * 6 * 8)
    assert len(load_images(list_images(folder))) == 9


def test_the_first_unreadable_one_is_named(folder):
    damage(folder / "bee" / "2.png")
    damage(folder / "cow" / "0.png")
    with pytest.raises(DataError, match=r"bee/2\.png: not a readable image \(.*truncated.*\)"):
        load_images(list_images(folder))


def test_there_is_no_second_copy(tmp_path):
    for i in range(100):
        draw(tmp_path / "a" / f"{i}.png", size=(128, 128))
    listing = list_images(tmp_path)
    load_images(listing.take(np.arange(1)))  # Pillow loads its decoders before memory is measured
    tracemalloc.start()
    loaded = load_images(listing)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loaded.images.nbytes <= peak < 1.3 * loaded.images.nbytes


def test_progress_ends_at_the_total(tmp_path):
    for i in range(100):
        draw(tmp_path / "a" / f"{i}.png")
    calls = []
    load_images(list_images(tmp_path), progress=lambda *call: calls.append(call))
    drop_unreadable(list_images(tmp_path), progress=lambda *call: calls.append(call))
    assert calls == [("decoding", 64, 100), ("decoding", 100, 100), ("checking", 64, 100), ("checking", 100, 100)]


# The digest


def test_the_digest_does_not_depend_on_the_place(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "ant" / "copy")
    assert digest(list_images(folder)) == digest(list_images(copy))


@pytest.mark.parametrize("name", ["cat/a.png", "cat/cat/a.png", "cat/x/a.png"])
def test_the_digest_of_a_single_class_does_not_depend_on_the_place(tmp_path, name):
    for place in ("one", "cat/cat"):
        draw(tmp_path / "p" / place / "set" / name)
    one, other = (digest(list_images(tmp_path / "p" / place / "set")) for place in ("one", "cat/cat"))
    assert one == other


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: draw(folder / "ant" / "0.png", (9, 9, 9)),
        lambda folder: (folder / "ant" / "0.png").rename(folder / "ant" / "00.png"),
        lambda folder: (folder / "ant" / "0.png").rename(folder / "bee" / "00.png"),
        lambda folder: (folder / "ant").rename(folder / "aunt"),
        lambda folder: (folder / "cow" / "2.png").unlink(),
    ],
    ids=["content", "name", "class", "class name", "number"],
)
def test_the_digest_notices_a_change(folder, change):
    before = digest(list_images(folder))
    change(folder)
    assert digest(list_images(folder)) != before


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_the_digest_is_that_of_sha256sum(folder):
    command = f"sha256sum --zero {' '.join(names(list_images(folder), folder))} | sha256sum"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == digest(list_images(folder))


def test_the_digest_names_a_file_that_is_gone(folder):
    listing = list_images(folder)
    listing.files[4].unlink()
    with pytest.raises(DataError, match=r"bee/1\.png: could not be read \(No such file or directory\)"):
        digest(listing)
