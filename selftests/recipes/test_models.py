"""Tests `python -m mp09 models` as a user types it."""

import pytest

from mp09.nets.published import names
from selftests.recipes.conftest import run


def test_all_models_are_listed_ours_first(capsys):
    assert run("models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(tuple(names()))][: len(names())] == names()
    assert next(line for line in lines if line.startswith("densenet161")).split() == [
        *("densenet161", "77.14", "93.56", "28.68", "7.728", "110.4", "IMAGENET1K_V1")
    ]
    assert lines[-1] == f"{len(names()) - 1}: published accuracy measured on ImageNet-1K"


def test_a_part_of_the_list_may_be_asked_for(capsys):
    assert run("models", "--filter", "squeeze") == 0
    assert "alexnet" not in capsys.readouterr().out
    assert run("models", "--filter", "unheard") == 1
    assert capsys.readouterr().out.endswith("no model has unheard in its name\n")


def test_one_model_is_looked_into(capsys):
    assert run("models", "resnet50") == 0
    printed = capsys.readouterr().out
    for words in (
        "IMAGENET1K_V2, the default: ResNet50_Weights.IMAGENET1K_V2\n    top-1 80.86 %, top-5 95.43 % on ImageNet-1K",
        "25,557,032 parameters, 4.089 GMAC an image, 97.8 MiB",
        "shorter side 232, middle 224 x 224, bilinear",
        "mean 0.485, 0.456, 0.406, standard deviation 0.229, 0.224, 0.225",
        "layer4   Sequential                  14,964,736",
        "forward(x: Tensor) -> Tensor",
        'torchvision.models.get_model("resnet50", weights="DEFAULT")',
    ):
        assert words in printed


def test_ours_says_how_to_load_it(capsys):
    assert run("models", "resnet18-32") == 0
    assert 'torch.hub.load(".", "resnet18", source="local", pretrained=True)' in capsys.readouterr().out


def test_a_name_and_a_part_of_one_do_not_go_together(capsys):
    with pytest.raises(SystemExit):
        run("models", "resnet50", "--filter", "dense")
    assert "not allowed with" in capsys.readouterr().err


def test_an_unknown_model_gets_the_nearest_names(capsys):
    assert run("models", "resnet51") == 2
    assert "resnet51: no such model. Did you mean" in capsys.readouterr().err
