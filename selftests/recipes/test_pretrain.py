"""Tests `pretrain` on few images: all stages on both data sets, half precision, the card, and going on where it was."""

import numpy as np
import pytest
import torch
from PIL import Image

from mp09.cli import main
from mp09.data.imageset import ImageSet
from mp09.errors import TrainingError
from mp09.nets.backbones import OUR_CLASSES, backbone
from mp09.recipes.pretrain import eight_of, read_cifar10, shrunk, write_half
from selftests.conftest import small_files

WNIDS = ("n00000001", "n00000002")


def image(random, side: int, label: int) -> Image.Image:
    values = random.integers(0, 60, (side, side, 3), dtype=np.uint8)
    values[..., label % 3] += 20 * label
    return Image.fromarray(values)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Make a Tiny ImageNet with two classes, and images of CIFAR-10's ten classes."""
    root, random = tmp_path_factory.mktemp("pretrain"), np.random.default_rng(0)
    tiny, cifar = root / "tiny", root / "cifar"
    (tiny / "val" / "images").mkdir(parents=True)
    for label, wnid in enumerate(WNIDS):
        (tiny / "train" / wnid / "images").mkdir(parents=True)
        for number in range(4):
            image(random, 64, label).save(tiny / "train" / wnid / "images" / f"{wnid}_{number}.png")
        image(random, 64, label).save(tiny / "val" / "images" / f"val_{label}.png")
    (tiny / "val" / "val_annotations.txt").write_text("".join(f"val_{i}.png\t{w}\n" for i, w in enumerate(WNIDS)))
    (tiny / "wnids.txt").write_text("\n".join(WNIDS))
    for split in ("train", "test"):
        for label, name in enumerate(OUR_CLASSES):
            (cifar / split / name).mkdir(parents=True)
            for number in range(4):
                image(random, 32, label).save(cifar / split / name / f"{number}.png")
    return tiny, cifar


def test_all_stages_run_and_a_checkpoint_with_its_card_comes_out(sources, tmp_path, capsys):
    tiny, cifar = sources
    command = ["pretrain", "--tiny-imagenet", str(tiny), "--cifar10", str(cifar), "--out", str(tmp_path)]
    command += ["--epochs", "1,2", "--device", "cpu"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "tiny-imagenet: 1 epochs, 8 images" in printed
    assert "cifar10: 2 epochs, 40 images" in printed
    assert "eight classes, 32 training images" in printed
    made = torch.load(tmp_path / "resnet18.pt", weights_only=True)
    assert made["conv1.weight"].dtype == made["fc.weight"].dtype == torch.float16
    assert made["bn1.weight"].dtype == torch.float32
    assert backbone("resnet18-32", tmp_path / "resnet18.pt").head.out_features == 10
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == printed.splitlines()[-2:]
    (tmp_path / "resnet18.json").unlink()
    (tmp_path / "resnet18.json").mkdir()
    assert main(command) == 2
    assert f"error: {tmp_path / 'resnet18.json'}: could not be written" in capsys.readouterr().err


def test_training_may_begin_with_other_weights(sources, tmp_path, capsys):
    start = backbone("resnet18-32", "none")
    head = torch.nn.Linear(512, 200)
    write_half(start, head, tmp_path / "start.pt")
    command = ["pretrain", "--cifar10", str(sources[1]), "--out", str(tmp_path), "--epochs", "1", "--device", "cpu"]
    assert main([*command, "--start", str(tmp_path / "start.pt")]) == 0
    made, begun = (torch.load(tmp_path / name, weights_only=True) for name in ("resnet18.pt", "start.pt"))
    assert made["fc.weight"].shape == (10, 512)
    same = torch.corrcoef(torch.stack([made["conv1.weight"].flatten(), begun["conv1.weight"].flatten()]).float())
    assert same[0, 1] > 0.5  # it would be near 0 from random weights
    assert main([*command, "--start", "nowhere.pt"]) == 2
    assert "nowhere.pt" in capsys.readouterr().err


def test_images_may_be_held_out_for_comparing_recipes(sources, tmp_path, capsys):
    command = ["pretrain", "--cifar10", str(sources[1]), "--out", str(tmp_path), "--epochs", "1", "--device", "cpu"]
    assert main([*command, "--hold-out", "8"]) == 0
    printed = capsys.readouterr().out
    assert "cifar10: 1 epochs, 32 images" in printed
    assert "valid loss" in printed
    assert main(command) == 2
    assert "holds a run with images" in capsys.readouterr().err
    assert main([*command, "--hold-out", "40"]) == 2
    assert "hold_out: expected 0 to 39 images, got 40" in capsys.readouterr().err


def test_all_images_of_ten_classes_are_read_in_their_order(sources):
    train, test = read_cifar10(sources[1])
    assert train.classes == test.classes == OUR_CLASSES
    assert train.labels.tolist() == test.labels.tolist() == [label for label in range(10) for _ in range(4)]
    with Image.open(sources[1] / "test" / "truck" / "3.png") as file:
        assert np.array_equal(test.images[-1], np.asarray(file).transpose(2, 0, 1))


def test_a_checkpoint_that_the_disk_has_no_room_for_is_named(tmp_path):
    base, path = backbone("resnet18-32", "none"), tmp_path / "resnet18.pt"
    with pytest.raises(TrainingError, match=r"resnet18.pt: could not be written"), small_files(100):
        write_half(base, base.head, path)
    assert list(tmp_path.iterdir()) == []


def test_tiny_imagenet_is_shrunk_to_means_of_four_pixels(sources):
    found = shrunk(sources[0])
    with Image.open(sources[0] / "train" / WNIDS[0] / "images" / f"{WNIDS[0]}_0.png") as file:
        large = np.asarray(file).astype(float).transpose(2, 0, 1)
    means = large.reshape(3, 32, 2, 32, 2).mean(axis=(2, 4))
    assert np.abs(found.images[0] - means).max() <= 0.5


def test_eight_classes_are_renumbered():
    ten = ImageSet(np.zeros((10, 3, 32, 32), np.uint8), np.arange(10), OUR_CLASSES)
    assert eight_of(ten).labels.tolist() == list(range(8))
