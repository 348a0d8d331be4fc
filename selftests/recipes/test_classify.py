"""Tests `python -m mp09 classify` as a user types it, on videos, images and cameras, with models of every origin."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models as zoo

from mp09.nets.backbones import backbone
from selftests.conftest import ROOT
from selftests.inference.conftest import COLOURS, plain, write_video
from selftests.recipes.conftest import run

CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder that `train` wrote, with a model that knows red, green and blue, light or dark."""
    root = tmp_path_factory.mktemp("trained")
    for name in COLOURS:
        for number in range(20):
            path = root / "images" / ("val" if number % 5 == 0 else "train") / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((plain(name) * (0.6 + number / 50)).astype(np.uint8)).save(path)
    options = ("--epochs", 20, "--batch-size", 12, "--lr", 0.01, "--cache", root / "cache", *CPU)
    assert run("train", "--data", root / "images", "--out", root / "run", *options) == 0
    return root / "run"


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "colours.mp4", ["red", "blue", "green"], height=720, width=1280)


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("exported", [False, True])
@pytest.mark.parametrize("softmax", [(), ("--softmax",)])
def test_a_video_is_labelled_by_a_model_of_ones_own(exported, softmax, trained, video, tmp_path, capsys):
    model = trained
    if exported:
        assert run("export", "--run", trained, "--out", tmp_path / "net.pt", *softmax) == 0
        capsys.readouterr()
        model = tmp_path / "net.pt"
    assert run("classify", video, "--checkpoint", model, "--json", *CPU) == 0
    found = lines(capsys)
    assert [line["label"] for line in found] == ["red"] * 10 + ["blue"] * 10 + ["green"] * 10
    assert [line["frame"] for line in found] == list(range(30))
    for line in found:
        assert sum(guess["probability"] for guess in line["top"]) == pytest.approx(1, abs=1e-4)


def test_changes_of_the_label_are_told_and_the_video_is_written(trained, video, tmp_path, capsys):
    out = tmp_path / "out.mp4"
    assert run("classify", video, "--checkpoint", trained, "--out", out, *CPU) == 0
    first, second, third, summary, written = capsys.readouterr().out.splitlines()
    assert (first.split()[:3], second.split()[:3]) == (["0.00", "s", "red"], ["0.50", "s", "blue"])
    assert third.split()[:3] == ["1.00", "s", "green"]
    assert summary.startswith("30 frames in ")
    assert written == f"written: {out}"
    assert out.stat().st_size > 0


def test_a_live_video_says_how_many_frames_were_dropped(trained, video, capsys):
    assert run("classify", video, "--checkpoint", trained, "--live", *CPU) == 0
    words = capsys.readouterr().out.splitlines()[-1].split()
    assert words[-1] == "dropped"
    assert int(words[0]) + int(words[-2]) <= 30


def test_images_have_their_top_classes_and_panels(trained, tmp_path, capsys):
    for name in COLOURS:
        Image.fromarray(plain(name)).save(tmp_path / f"{name}.png")
    (tmp_path / "wrong.png").write_bytes(b"no image")
    out = tmp_path / "panels"
    options = ("--checkpoint", trained, "--top", 2, "--out", out)
    assert run("classify", tmp_path, *options, *CPU) == 1  # one of the files can't be read
    printed = capsys.readouterr()
    assert "blue.png" in printed.out
    assert printed.out.count("%") == 6
    assert f"note: {tmp_path / 'wrong.png'}: not a readable image" in printed.err
    assert sorted(path.name for path in out.iterdir()) == ["0000_blue.png", "0001_green.png", "0002_red.png"]


def test_so_many_frames_are_classified_as_asked(trained, video, capsys):
    assert run("classify", video, "--checkpoint", trained, "--json", "--frames", 3, *CPU) == 0
    assert len(lines(capsys)) == 3


def test_a_published_model_names_its_thousand_classes(tmp_path, capsys):
    """The checkpoint is like torchvision's, but holds random numbers."""
    torch.manual_seed(0)
    torch.save(zoo.alexnet().state_dict(), tmp_path / "alexnet.pth")
    Image.fromarray(plain("red")).save(tmp_path / "1.png")
    model = ("--model", "alexnet", "--weights", tmp_path / "alexnet.pth")
    assert run("classify", tmp_path / "1.png", *model, "--json", "--top", 3, *CPU) == 0
    (line,) = lines(capsys)
    names = zoo.AlexNet_Weights.DEFAULT.meta["categories"]
    assert [guess["label"] for guess in line["top"]] == [names[guess["index"]] for guess in line["top"]]


def test_classes_come_from_a_file_where_weights_do_not_know_them(tmp_path, capsys):
    head = {"fc.weight": torch.zeros(3, 512), "fc.bias": torch.tensor([0.0, 9.0, 0.0])}
    torch.save({**backbone("resnet18-32").body.state_dict(), **head}, tmp_path / "w.pt")
    (tmp_path / "names.txt").write_text("n01443537\nn02012849\n\nn03126707\n")
    (tmp_path / "words.txt").write_text("n01443537\tgoldfish\nn02012849\tcrane, bird\nn03126707\tcrane\n")
    Image.fromarray(plain("red")).save(tmp_path / "1.png")
    model = ("--weights", tmp_path / "w.pt", "--classes", tmp_path / "names.txt")
    assert run("classify", tmp_path / "1.png", *model, "--json", *CPU) == 0
    assert lines(capsys)[0]["label"] == "crane (n02012849)"


def test_a_reader_that_has_enough_ends_it_quietly(trained, video):
    command = [sys.executable, "-m", "mp09", "classify", str(video), "--checkpoint", str(trained), "--json"]
    script = f"{' '.join(command)} | head -1"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: expected a camera's number, a video, an image or a folder"),
        (["97"], "camera 97: there is none"),
        (["{image}", "--checkpoint", "nowhere"], "nowhere: expected a folder that `python -m mp09 train` wrote"),
        (["{image}", "--classes", "nowhere.txt"], "nowhere.txt: expected a text file with one class name a line"),
        (["{image}", "--model", "squeezenet1_0", "--weights", "none"], "its published head is not one linear layer"),
        (["{image}", "--out", "{image}/x.png"], "could not be written"),
        (["{image}", "--out", "{image}"], "is what is to be classified"),
        (["20240101123456"], "found no such file"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line(arguments, words, tmp_path, capsys):
    image = tmp_path / "1.png"
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(image)
    assert run("classify", *(text.format(image=image) for text in arguments), *CPU) == 2
    assert words in capsys.readouterr().err
