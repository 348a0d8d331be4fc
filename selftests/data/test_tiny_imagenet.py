import errno
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mp09.data.class_folders import list_images, load_images
from mp09.data.tiny_imagenet import create_val_folder, is_tiny_imagenet, open_tiny_imagenet, short_names, words
from mp09.errors import DataError
from selftests.data.conftest import WNIDS, tree


def annotate(root: Path, text: str) -> None:
    """Insert lines above the annotations."""
    path = root / "val" / "val_annotations.txt"
    path.write_text(text + path.read_text())


def sort_validation_images(root: Path, place: str) -> None:
    """Move the validation images into a folder for each class, as other scripts do; `place` names it for a wnid."""
    for label, wnid in enumerate(WNIDS):
        (root / place.format(wnid)).mkdir(parents=True)
        for i in (label, 3 + label):
            (root / "val" / "images" / f"val_{i}.JPEG").rename(root / place.format(wnid) / f"val_{i}.JPEG")


# The layout


def test_the_layout_is_recognised(root):
    assert (is_tiny_imagenet(root), is_tiny_imagenet(root / "train")) == (True, False)


def test_classes_are_wnids_and_images_have_theirs(root):
    train, val = (load_images(listing) for listing in open_tiny_imagenet(root))
    assert train.classes == val.classes == WNIDS
    assert (train.labels.tolist(), val.labels.tolist()) == ([0, 0, 0, 1, 1, 1, 2, 2, 2], [0, 0, 1, 1, 2, 2])
    assert np.array_equal(train.images[:, 0, 0, 0], train.labels)
    assert np.array_equal(val.images[:, 0, 0, 0], val.labels)


def test_a_class_without_training_images_is_named(root):
    shutil.rmtree(root / "train" / WNIDS[1])
    with pytest.raises(
        DataError, match=f"same class folders in train and val_by_class; only val_by_class has {WNIDS[1]}"
    ):
        open_tiny_imagenet(root)


# The validation images by class


def test_image_folder_sees_the_same_classes_as_in_train(root):
    datasets = pytest.importorskip("torchvision.datasets")
    val = datasets.ImageFolder(create_val_folder(root))
    assert val.classes == datasets.ImageFolder(root / "train").classes
    assert [path for path, _ in val.samples] == [str(file) for file in list_images(root / "val_by_class").files]


def test_the_images_are_hard_links_and_stay_where_they_were(root):
    before = tree(root / "val")
    made = create_val_folder(root) / WNIDS[0] / "val_3.JPEG"
    assert tree(root / "val") == before
    assert made.samefile(root / "val" / "images" / "val_3.JPEG")


def test_a_complete_folder_is_left_as_it_is(root):
    folder = create_val_folder(root)
    shutil.rmtree(root / "val" / "images")  # a hard link does not need the other one
    before = {name: (folder / name).stat().st_ctime_ns for name in tree(folder)}
    create_val_folder(root)
    assert {name: (folder / name).stat().st_ctime_ns for name in tree(folder)} == before


def test_without_hard_links_they_are_copied(root, monkeypatch):
    expected = tree(create_val_folder(root))
    shutil.rmtree(root / "val_by_class")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "Operation not permitted")))
    assert tree(create_val_folder(root)) == expected
    assert not (root / "val_by_class" / WNIDS[0] / "val_0.JPEG").samefile(root / "val" / "images" / "val_0.JPEG")


def test_an_interrupted_run_is_finished_by_the_next(root, monkeypatch):
    link, done = os.link, []

    def stop_at_the_fourth(*args):
        done.append(args)
        if len(done) == 4:
            raise KeyboardInterrupt
        link(*args)

    monkeypatch.setattr(os, "link", stop_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        create_val_folder(root)
    assert (len(tree(root / "val_by_class")), (root / "val_by_class" / ".complete").exists()) == (3, False)
    assert len(list_images(create_val_folder(root))) == 6
    assert len(done) == 7  # four calls in the first run, and three for the missing images


@pytest.mark.parametrize("place", ["val/{0}", "val/images/{0}", "val/{0}/images"])
def test_sorted_images_without_annotations_are_taken_as_they_are(root, place):
    """Scripts that sort the validation images remove the annotations, and often leave an empty folder."""
    sort_validation_images(root, place)
    (root / "val" / "val_annotations.txt").unlink()
    _, val = open_tiny_imagenet(root)
    assert (val.classes, val.labels.tolist()) == (WNIDS, [0, 0, 1, 1, 2, 2])
    assert not (root / "val_by_class").exists()


@pytest.mark.parametrize("place", ["val/{0}", "val/images/{0}", "val/{0}/images"])
def test_images_that_another_script_has_moved_are_found(root, place):
    sort_validation_images(root, place)
    assert len(list_images(create_val_folder(root))) == 6


@pytest.mark.parametrize("name", ["val/val_annotations.txt", "wnids.txt"])
def test_a_missing_file_is_named(root, name):
    (root / name).unlink()
    with pytest.raises(
        DataError, match=rf"{name}: expected this file of Tiny ImageNet 200 \(No such .*Unpack it again"
    ):
        create_val_folder(root)


def test_a_file_that_is_no_text_is_named(root):
    (root / "val" / "val_annotations.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"val_annotations\.txt: expected this file .* \(not UTF-8 text\)"):
        create_val_folder(root)


@pytest.mark.parametrize(
    "line", ["val_0.JPEG", "val_0.JPEG n01443537", "../val_0.JPEG\tn01443537", "val_0.JPEG\t../x", ""]
)
def test_a_malformed_annotation_is_quoted(root, line):
    annotate(root, f"val_0.JPEG\tn01443537\n{line}\n")
    with pytest.raises(DataError, match=r"val_annotations\.txt, line 2: expected a file name, a tab and a wnid, got '"):
        create_val_folder(root)


def test_an_unknown_class_is_named(root):
    annotate(root, "val_0.JPEG\tn00000001\t0\t0\t9\t9\n")
    with pytest.raises(DataError, match=r"line 1: n00000001 of val_0\.JPEG does not stand in wnids\.txt"):
        create_val_folder(root)


def test_an_image_of_two_classes_is_an_error(root):
    annotate(root, f"val_0.JPEG\t{WNIDS[2]}\n")
    with pytest.raises(DataError, match=f"line 2: val_0.JPEG is {WNIDS[0]} here and {WNIDS[2]} above"):
        create_val_folder(root)


def test_a_class_without_validation_images_is_named(root):
    with open(root / "wnids.txt", "a") as file:
        file.write("\nn99999999\n")
    with pytest.raises(DataError, match=r"expected images of all classes in wnids\.txt, got none of n99999999"):
        create_val_folder(root)


def test_missing_images_are_counted_and_nothing_is_made(root):
    (root / "val" / "images" / "val_4.JPEG").unlink()
    with pytest.raises(DataError, match=r"images: 1 of 6 annotated images are missing: val_4\.JPEG\. Unpack"):
        create_val_folder(root)
    assert not (root / "val_by_class").exists()


def test_a_folder_of_other_annotations_is_an_error(root):
    create_val_folder(root)
    annotate(root, f"val_0.JPEG\t{WNIDS[0]}\n")
    with pytest.raises(
        DataError, match=r"val_by_class: was made from another val_annotations\.txt\. Remove this folder"
    ):
        create_val_folder(root)


def test_a_place_that_cannot_be_written_is_an_error(root):
    (root / "val_by_class").write_text("mine")
    with pytest.raises(DataError, match=r"val_by_class: could not be made \(Not a directory\)\. Copy the data set"):
        create_val_folder(root)
    assert (root / "val_by_class").read_text() == "mine"


# Names of classes


def test_words_are_whole(root):
    assert words(root)["n01443537"] == "goldfish, Carassius auratus"


def test_a_malformed_word_is_quoted(root):
    (root / "words.txt").write_text("n00001740\tentity\nn00001741\n")
    with pytest.raises(DataError, match=r"words\.txt, line 2: expected a wnid, a tab and a name, got 'n00001741'"):
        words(root)


def test_short_names_are_unique(root):
    assert short_names(root, WNIDS) == ("goldfish", "crane (n02012849)", "crane (n03126707)")


def test_a_wnid_without_a_name_stands_for_itself(root):
    assert short_names(root, ["n99999999"]) == ("n99999999",)


# Real images


@pytest.mark.real
def test_the_real_set_loads_as_one(real_images, tmp_path):
    subprocess.run(["tar", "xf", real_images.with_name("tiny-imagenet-200-small.tar.gz"), "-C", tmp_path], check=True)
    root = next(path for path in tmp_path.iterdir() if is_tiny_imagenet(path))
    train, val = open_tiny_imagenet(root)
    assert (len(train.classes), len(train), len(val), val.classes) == (200, 24_000, 10_000, train.classes)
    assert len(set(short_names(root, train.classes))) == 200
    for listing in (train, val):
        assert load_images(listing).images.shape == (len(listing), 3, 64, 64)
