"""Tests the learning commands with small but complete runs, as a user types them."""

import json
import shutil
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torchvision import models as zoo

from mp09.errors import DataError
from mp09.features.extract import ExtractOptions, compute_here
from mp09.nets.backbones import backbone
from mp09.nets.export import load_exported
from mp09.recipes.datasets import loader, open_data
from mp09.recipes.feature_sets import features_of
from mp09.recipes.train import load_trained
from selftests.data.conftest import tiny_set
from selftests.recipes.conftest import run

needs_ax = pytest.mark.skipif(not find_spec("ax"), reason="Ax needs Python 3.11")


def test_train_export_and_use(small_data, tmp_path, capsys):
    where = ("--out", tmp_path / "run", "--cache", tmp_path / "cache", "--device", "cpu")
    assert run("train", "--data", small_data, "--epochs", 3, *where) == 0
    printed = capsys.readouterr().out
    assert "its features are computed once" in printed
    assert "epoch   3" in printed
    assert "on the test images of synthetic" in printed
    assert float(printed.split("accuracy ")[-1].split()[0]) > 0.85
    assert {path.name for path in (tmp_path / "run").glob("*.png")} == {"curves.png", "confusion.png", "mistakes.png"}
    assert run("export", "--run", tmp_path / "run", "--out", tmp_path / "net.pt", "--softmax") == 0
    test = open_data(small_data).test
    exported = load_exported(tmp_path / "net.pt")
    _, probabilities = exported.model(torch.from_numpy(test.images))
    assert (probabilities.argmax(1).numpy() == test.labels).mean() > 0.85
    assert exported.card["classes"] == list(test.classes)


def test_a_run_goes_on_and_says_when_it_is_complete(small_data, tmp_path, capsys):
    options = ("--data", small_data, "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--device", "cpu")
    for _ in range(2):
        assert run("train", "--epochs", 2, *options) == 0
    assert f"{tmp_path / 'run'}: already completed" in capsys.readouterr().out


def test_the_last_blocks_learn_on_images_of_mixed_sizes(folders, tmp_path, capsys):
    options = ("--learn", 1, "--augment", "flip", "--epochs", 4, "--batch-size", 8, "--device", "cpu")
    assert run("train", "--data", folders, "--out", tmp_path / "run", "--cache", tmp_path / "cache", *options) == 0
    printed = capsys.readouterr().out
    assert "computed once" not in printed
    assert float(printed.split("accuracy ")[-1].split()[0]) > 0.9
    assert run("export", "--run", tmp_path / "run", "--out", tmp_path / "net.pt") == 0
    card = json.loads((tmp_path / "run" / "state.json").read_text())["card"]
    assert (card["learn"], card["holds"], card["classes"]) == (1, "whole model", ["blue", "green", "red"])


@pytest.mark.parametrize("options", [("--per-class", 20), ("--learn", 1)], ids=["head", "whole"])
def test_a_run_whose_card_says_network_is_read_and_goes_on(small_data, folders, tmp_path, options, capsys):
    data = small_data if "--per-class" in options else folders
    command = ("train", "--data", data, "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--device", "cpu")
    assert run(*command, *options, "--epochs", 1) == 0
    _, card = load_trained(tmp_path / "run")
    text = (tmp_path / "run" / "state.json").read_text()
    older = text.replace('"model": "resnet18-32"', '"network": "resnet18-32"').replace(
        '"whole model"', '"whole network"'
    )
    (tmp_path / "run" / "state.json").write_text(older)
    assert '"network"' in older
    assert load_trained(tmp_path / "run")[1] == card
    assert run(*command, *options, "--epochs", 1) == 0
    assert "already completed" in capsys.readouterr().out


def test_features_of_several_views_and_their_logistic_regression(small_data, tmp_path, capsys):
    options = ("--data", small_data, "--views", 3, "--cache", tmp_path, "--device", "cpu", "--per-class", 30)
    assert run("features", *options) == 0
    printed = capsys.readouterr().out
    assert "train: 720 x 512" in printed
    assert float(printed.split("accuracy ")[-1].split()[0]) > 0.85
    assert len(list(tmp_path.iterdir())) == 5


@needs_ax
def test_tune_searches_and_judges_on_test_images(small_data, tmp_path, capsys):
    options = ("--data", small_data, "--cache", tmp_path / "cache", "--device", "cpu", "--per-class", 40)
    assert run("tune", "--trials", 3, "--epochs", 2, "--out", tmp_path / "tune", *options) == 0
    printed = capsys.readouterr().out
    assert printed.count("trial ") == 4
    assert "on the test images" in printed
    assert (tmp_path / "tune" / "best_so_far.png").exists()


def test_images_that_can_not_be_read_are_named_or_left_out(folders, tmp_path, capsys):
    bad = folders / "train" / "red" / "bad.jpg"
    bad.write_bytes(b"no image")
    options = ("--data", folders, "--out", tmp_path / "run", "--cache", tmp_path / "cache", "--epochs", 1)
    try:
        assert run("train", *options) == 2
        error = capsys.readouterr().err
        assert "1 of 37 images can't be read: " in error
        assert "bad.jpg. Replace or remove" in error
        assert error.count("\n") == 1
        assert run("train", *options, "--unreadable", "skip") == 0
        assert "left out, unreadable: 1 images: " in capsys.readouterr().out
    finally:
        bad.unlink()


def test_a_run_of_other_weights_is_refused(small_data, tmp_path, capsys):
    torch.manual_seed(0)
    from mp09.nets.backbones import backbone

    weights = tmp_path / "mine.pt"
    for _ in range(2):
        base = backbone("resnet18-32", "none")
        torch.save({**base.body.state_dict(), **{f"fc.{k}": v for k, v in base.head.state_dict().items()}}, weights)
        if not (tmp_path / "run").exists():
            options = ("--weights", weights, "--per-class", 20, "--cache", tmp_path / "cache", "--epochs", 1)
            assert run("train", "--data", small_data, "--out", tmp_path / "run", *options) == 0
    assert run("export", "--run", tmp_path / "run", "--out", tmp_path / "net.pt") == 2
    assert "trained on other weights" in capsys.readouterr().err


def test_a_run_that_holds_all_weights_needs_no_other_file(folders, tmp_path):
    weights = tmp_path / "mine.pt"
    torch.save(zoo.vit_b_32(image_size=64, num_classes=5).state_dict(), weights)
    options = ("--model", "vit_b_32", "--weights", weights, "--learn", 1, "--epochs", 1, "--device", "cpu")
    assert run("train", "--data", folders, "--out", tmp_path / "run", *options) == 0
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    before = load_trained(tmp_path / "run")[0](images)
    weights.unlink()
    model, _ = load_trained(tmp_path / "run")
    assert torch.equal(model(images), before)
    assert model.preprocess.size == 64


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--data", "none"), "none: expected cifar10_batches"),
        (("export", "--run", "none"), "expected a folder that `python -m mp09 train` wrote"),
        (("export", "--model", "squeezenet1_1", "--weights", "none"), "is not one linear layer"),
        (("features", "--data", "none"), "expected cifar10_batches"),
        (("pretrain", "--cifar10", "none"), "none: no such file or folder"),
        (("pretrain", "--cifar10", "none", "--epochs", "1,2"), "a number for each of cifar10; got 2"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "option",
    [("--per-class", 0), ("--batch-size", 0), ("--views", 0), ("--seed", -1), ("--dropout", 2), ("--epochs", 0)],
)
def test_numbers_out_of_range_are_refused_before_any_work(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("train", "--data", "none", *option)
    assert f"argument {option[0]}: expected" in capsys.readouterr().err


def test_views_of_images_that_are_augmented_are_refused(folders, tmp_path, capsys):
    assert run("train", "--data", folders, "--out", tmp_path, "--views", 2, "--augment", "flip") == 2
    assert "views: 2 of each image need a frozen backbone" in capsys.readouterr().err


def test_all_parts_go_through_one_int8_model(small_data, tmp_path):
    options = ("--data", small_data, "--cache", tmp_path, "--device", "cpu", "--per-class", 20, "--precision", "int8")
    assert run("features", *options) == 0
    cards = [json.loads(path.read_text()) for path in tmp_path.glob("*/card.json")]
    assert (len(cards), len({card["images"] for card in cards}), len({card["calibration"] for card in cards})) == (
        3,
        3,
        1,
    )


def test_int8_without_features_is_refused(folders, tmp_path, capsys):
    assert run("train", "--data", folders, "--out", tmp_path, "--precision", "int8", "--learn", 1) == 2
    assert "precision: int8 is for features, which need a frozen backbone" in capsys.readouterr().err


def test_image_files_come_in_batches_as_large_as_asked_for(folders):
    sizes = []

    def compute(*arguments):
        for features in compute_here(*arguments):
            sizes.append(len(features))
            yield features

    options = ExtractOptions("cpu", "float32", batch_size=5, compute=compute)
    features_of(backbone("resnet18-32", "none"), open_data(folders).valid, "valid", options)
    assert sizes == [5, 5, 5, 3]


def test_random_views_follow_the_seed(folders):
    base = backbone("resnet18-32", "none")
    train = open_data(folders).train
    one, other = (features_of(base, train, "train", views=3, seed=seed) for seed in (0, 1))
    same = np.split(one.features == other.features, 3)
    assert [part.all() for part in same] == [True, True, False]


def test_files_are_read_by_processes_that_need_no_gpu(folders):
    """The device "meta" stands for a GPU, to which the model moves when training begins."""
    preprocess = backbone("resnet18-32", "none").preprocess
    batches = loader(open_data(folders).train, preprocess, 4)
    preprocess.to("meta")
    assert {buffer.device.type for buffer in batches.dataset.preprocess.buffers()} == {"cpu"}


def test_a_test_folder_is_not_chosen_by(folders, tmp_path):
    shutil.copytree(folders / "train", tmp_path / "train")
    shutil.copytree(folders / "val", tmp_path / "test")
    data = open_data(tmp_path)
    assert (len(data.train), len(data.valid), len(data.test)) == (33, 3, 18)
    assert set(data.train.files).isdisjoint(data.valid.files)
    shutil.copytree(folders / "val", tmp_path / "val")
    data = open_data(tmp_path)
    assert [part.files[0].parts[-3] for part in (data.train, data.valid, data.test)] == ["train", "val", "test"]


def test_layers_that_know_versions_are_loaded_again(folders, tmp_path):
    options = ("--model", "mnasnet0_5", "--weights", "none", "--learn", 1, "--epochs", 1, "--device", "cpu")
    assert run("train", "--data", folders, "--out", tmp_path / "run", *options) == 0
    assert load_trained(tmp_path / "run")[1]["model"] == "mnasnet0_5"


def test_one_class_is_refused(folders, tmp_path):
    for split in ("train", "val"):
        shutil.copytree(folders / split / "red", tmp_path / split / "red")
    with pytest.raises(DataError, match="expected at least two classes, found red"):
        open_data(tmp_path)


def test_a_run_with_other_augmentation_or_images_is_refused(folders, tmp_path, capsys):
    shutil.copytree(folders, tmp_path / "data")
    options = ("--out", tmp_path / "run", "--cache", tmp_path / "cache", "--learn", 1, "--epochs", 1)
    assert run("train", "--data", tmp_path / "data", *options, "--augment", "flip") == 0
    assert run("train", "--data", tmp_path / "data", *options, "--augment", "crop") == 2
    assert "augment flip (now crop_and_flip" in capsys.readouterr().err
    shutil.copy(folders / "train" / "red" / "0.png", tmp_path / "data" / "train" / "red" / "1.png")
    assert run("train", "--data", tmp_path / "data", *options, "--augment", "flip") == 2
    assert "holds a run with images " in capsys.readouterr().err


def test_random_weights_are_found_again(folders, tmp_path):
    options = ("--out", tmp_path / "run", "--cache", tmp_path / "cache", "--epochs", 1, "--seed", 5)
    assert run("train", "--data", folders, *options, "--weights", "none") == 0
    assert run("export", "--run", tmp_path / "run", "--out", tmp_path / "net.pt") == 0


@pytest.mark.proof  # of what needs Ray, `make test` runs features/test_on_ray.py alone
@pytest.mark.usefixtures("untraced")
@needs_ax
def test_a_cluster_computes_features_and_trials(small_data, tmp_path, capsys):
    pytest.importorskip("ray")
    options = ("--data", small_data, "--cache", tmp_path / "cache", "--per-class", 20, "--executor", "ray")
    assert run("features", *options, "--precision", "float32") == 0
    assert "train: 160 x 512" in capsys.readouterr().out
    assert run("tune", *options, "--precision", "float32", "--trials", 3, "--out", tmp_path / "tune") == 0
    assert capsys.readouterr().out.count("trial ") == 4
    assert run("features", *options, "--precision", "int8") == 2
    assert "int8 is for this machine's processor" in capsys.readouterr().err


@needs_ax
def test_another_search_is_refused(small_data, tmp_path, capsys):
    options = ("tune", "--data", small_data, "--cache", tmp_path / "cache", "--out", tmp_path / "tune", "--trials", 1)
    assert run(*options, "--per-class", 20) == 0
    assert run(*options, "--per-class", 30) == 2
    assert "a search with train " in capsys.readouterr().err


def test_tiny_imagenet_is_trained_on_as_the_homework_says(tmp_path, capsys):
    """The checkpoint is like torchvision's, but holds random numbers."""
    torch.save(zoo.alexnet().state_dict(), tmp_path / "alexnet.pth")
    where = ("--out", tmp_path / "run", "--cache", tmp_path / "cache", "--device", "cpu")
    data = ("--data", f"tiny-imagenet:{tiny_set(tmp_path)}", "--weights", tmp_path / "alexnet.pth")
    for epochs in (1, 2):
        assert run("train", *data, *where, "--epochs", epochs) == 0
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    assert (state["card"]["model"], state["card"]["learn"], state["card"]["batch_size"]) == ("alexnet", 0, 100)
    wanted = {"epochs": 2, "lr": 0.001, "optimizer": "adam", "schedule": "constant", "weight_decay": 0.0}
    assert wanted.items() <= state["settings"].items()
    assert state["card"]["classes"] == ["goldfish", "crane (n02012849)", "crane (n03126707)"]
    assert state["card"]["features"][0].count("+") == 1  # two views: the images and their mirror images
    assert "went on after epoch 1" in capsys.readouterr().out


def test_what_is_called_tiny_imagenet_has_to_be_it(folders, capsys):
    assert run("train", "--data", f"tiny-imagenet:{folders}") == 2
    assert "not Tiny ImageNet (wnids.txt, train/, val/). Make it from its archive" in capsys.readouterr().err


def test_whole_models_learn_on_tiny_imagenet_without_views(tmp_path):
    options = ("--model", "resnet18-32", "--learn", 1, "--epochs", 1, "--augment", "flip", "--device", "cpu")
    assert run("train", "--data", f"tiny-imagenet:{tiny_set(tmp_path)}", "--out", tmp_path / "run", *options) == 0


def test_a_run_on_files_that_is_resumed_is_the_run_that_was_not_stopped(folders, tmp_path):
    options = ("--data", folders, "--learn", 8, "--weights", "none", "--schedule", "constant", "--precision", "float32")
    for out, *epochs in (("straight", 2), ("resumed", 1, 2)):
        for count in epochs:
            assert run("train", *options, "--device", "cpu", "--epochs", count, "--out", tmp_path / out) == 0
    straight, resumed = (load_trained(tmp_path / out)[0].state_dict() for out in ("straight", "resumed"))
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in straight.items())
