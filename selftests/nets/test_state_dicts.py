"""Tests that weights are found in files as training scripts and other libraries write them."""

import warnings

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mp09.cli import main
from mp09.errors import ModelError, Mp09Warning
from mp09.nets.state_dicts import read_state

NET = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
STATE = NET.state_dict()


def prefixed(prefix):
    return {prefix + name: tensor for name, tensor in STATE.items()}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"state_dict": STATE}, "taken those under 'state_dict'"),
        ({"model_state_dict": STATE, "epoch": 3}, "taken those under 'model_state_dict'"),
        ({"model": STATE, "ema": STATE}, "taken those under 'model'"),
        ({"net": STATE, "acc": 91.2, "epoch": 3}, "taken those under 'net'"),
        ({"ema": STATE}, "taken those under 'ema'"),
        (
            {"weights": {"state_dict": prefixed("module.")}},
            "under 'weights', those under 'state_dict', without the prefix 'module.'",
        ),
        ({"model": {"arch": "resnet18"}, "weights": STATE}, "those under 'weights'"),
        ({"ema": {"n_averaged": torch.tensor(3), **prefixed("module.")}}, "'ema', without the prefix 'module.'"),
        (prefixed("_orig_mod."), "without the prefix '_orig_mod.'"),
        (prefixed("module._orig_mod.backbone."), "without the prefix 'module._orig_mod.backbone.'"),
        (prefixed("encoder."), "without the prefix 'encoder.'"),
        (prefixed("model.model."), "without the prefix 'model.model.'"),
    ],
)
def test_weights_are_unwrapped_and_it_is_told(tmp_path, content, words):
    torch.save(content, tmp_path / "net.pt")
    with pytest.warns(Mp09Warning) as told:
        state = read_state(tmp_path / "net.pt")
    assert state.keys() == STATE.keys()
    assert words in str(told[0].message)
    NET.load_state_dict(state)


def test_safetensors_may_have_a_prefix(tmp_path):
    save_file(prefixed("model."), tmp_path / "net.safetensors")
    with pytest.warns(Mp09Warning, match=r"without the prefix 'model\.'"):
        assert read_state(tmp_path / "net.safetensors").keys() == STATE.keys()


def test_of_plain_weights_nothing_is_told(tmp_path):
    torch.save(STATE, tmp_path / "net.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_state(tmp_path / "net.pt").keys() == STATE.keys()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"student": STATE, "teacher": STATE, "epoch": 3}, "a dict whose tensors are under 'student', 'teacher'"),
        ({"optimizer": {"lr": 0.1}, "epoch": 3}, "a dict without tensors"),
        ({"state_dict": {"lr": 0.1}}, "a dict without tensors"),
        ({"checkpoint": {"inner": STATE}}, "under 'checkpoint' 'inner'"),
        ({0: torch.zeros(1), 1: torch.zeros(1)}, "under 0, 1"),
        ([1, 2], "got list"),
        ({}, "a dict without tensors"),
    ],
)
def test_what_holds_no_state_dict_says_where_tensors_are(tmp_path, content, words):
    torch.save(content, tmp_path / "net.pt")
    with pytest.raises(ModelError, match=f"expected a state dict .*{words}"):
        read_state(tmp_path / "net.pt")


def test_a_command_says_what_it_took(tmp_path, capsys):
    from models import resnet18

    torch.save(
        {"net": {f"module.{name}": tensor for name, tensor in resnet18().state_dict().items()}}, tmp_path / "net.pt"
    )
    command = [
        "export",
        "--model",
        "resnet18-32",
        "--weights",
        str(tmp_path / "net.pt"),
        "--out",
        str(tmp_path / "out.pt"),
    ]
    assert main(command) == 0
    assert "note: " in (error := capsys.readouterr().err)
    assert "those under 'net', without the prefix 'module.'" in error
