"""Tests which labelled images a comparison opens."""

from PIL import Image

from mp09.data.labels import labels_of
from mp09.recipes.labelled import open_labelled
from selftests.data.conftest import tiny_set
from selftests.recipes.conftest import make_labelled


def test_images_come_from_all_over_a_folder(tmp_path):
    images = make_labelled(tmp_path / "images")
    whole, some = open_labelled(images), open_labelled(images, 4)
    assert len(whole) == len(open_labelled(images, 99)) == 8
    assert [file.stem for file in some.images.files] == ["airplane0", "ship0", "truck0", "truck3"]
    assert [str(some.label(index)) for index in range(4)] == ["airplane", "ship", "truck", "truck"]


def test_tiny_imagenet_s_validation_images_have_wnids_and_words(tmp_path):
    found = open_labelled(f"tiny-imagenet:{tiny_set(tmp_path)}")
    assert (found.name, len(found)) == ("Tiny ImageNet, validation", 6)
    assert found.labels == labels_of(("n01443537", "n02012849", "n03126707"), tmp_path / "tiny-imagenet-200")
    assert found.read(0).shape == (3, 64, 64)


def test_course_batches_are_judged_by_their_test_images(small_data):
    found = open_labelled(small_data, 10)
    assert (found.name, len(found), found.read(0).shape, found.stem(3)) == ("synthetic, test", 10, (3, 32, 32), "3")


def test_a_table_stands_before_class_folders(tmp_path):
    (tmp_path / "labels.tsv").write_text("file\tlabel\n1.png\tship\n")
    Image.new("RGB", (9, 9)).save(tmp_path / "1.png")
    found = open_labelled(tmp_path)
    assert (len(found), str(found.label(0)), found.stem(0)) == (1, "ship", "1")
