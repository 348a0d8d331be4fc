"""Tests that what the catalog says of models agrees with the models."""

import pytest
from torchvision import models as zoo

from mp09.compare import measure
from mp09.errors import ModelError
from mp09.nets.catalog import OUR_FIGURES, details, entries, figures, listing
from mp09.nets.published import OURS, names, published
from mp09.nets.wnids import WNIDS


def test_every_model_is_listed_with_its_figures():
    found = listing()
    assert list(found) == names()
    assert all(0 < one.top1 < 100 and one.parameters > 0 and one.gmacs > 0 for one in found.values())


def test_a_list_may_be_of_those_with_a_word_in_their_names():
    assert list(listing("DenseNet")) == ["densenet121", "densenet161", "densenet169", "densenet201"]


def test_our_figures_are_those_of_our_model():
    ours = published(OURS)
    assert measure.parameters(ours.net) == OUR_FIGURES.parameters
    assert measure.gmacs(ours.net, 32) == pytest.approx(OUR_FIGURES.gmacs, rel=0.01)
    assert ours.file.stat().st_size / 2**20 == pytest.approx(OUR_FIGURES.file_mib, rel=0.01)
    assert len(ours.classes) == OUR_FIGURES.outputs


def test_figures_are_of_the_weights_asked_for_or_of_the_default_ones():
    assert figures("resnet50", "IMAGENET1K_V1").top1 == 76.13
    assert figures("resnet50", "mine.pt") == figures("resnet50") == figures("resnet50", "IMAGENET1K_V2")


def test_a_model_is_seen_from_outside():
    found = details("resnet50")
    assert [(entry.key, entry.is_default) for entry in found.entries] == [
        ("IMAGENET1K_V1", False),
        ("IMAGENET1K_V2", True),
    ]
    assert [entry.preprocess.resize for entry in found.entries] == [256, 232]
    assert found.blocks[-1] == ("fc", "Linear", 2049000)
    assert sum(count for _, _, count in found.blocks) == found.entries[0].figures.parameters
    assert found.methods == ("forward(x: Tensor) -> Tensor",)


@pytest.mark.parametrize("name", ["vit_b_32", "regnet_y_400mf", "inception_v3", OURS])
def test_models_of_other_kinds_are_seen_too(name):
    found = details(name)
    whole = sum(count for _, _, count in found.blocks)
    auxiliary = 3_326_696 if name == "inception_v3" else 0  # parameters of a head for training, which is left out
    assert whole + auxiliary == found.entries[0].figures.parameters


def test_weights_without_classes_are_none():
    """Weights without a classifier are left out; VGG-16 has one such set."""
    assert [entry.key for entry in entries("vgg16")] == ["IMAGENET1K_V1"]
    with pytest.raises(ModelError, match="IMAGENET1K_FEATURES: no such weights"):
        published("vgg16", "IMAGENET1K_FEATURES")


def test_an_unknown_model_gets_the_nearest_names():
    for look in (details, entries, figures):
        with pytest.raises(ModelError, match=r"Did you mean .*resnet50"):
            look("resnet51")


def test_the_thousand_numbers_stand_in_the_order_of_the_outputs():
    categories = zoo.AlexNet_Weights.DEFAULT.meta["categories"]
    assert (len(WNIDS), len(categories)) == (1000, 1000)
    assert list(WNIDS) == sorted(set(WNIDS))  # ImageNet's classes are sorted by their WordNet numbers
    known = {"n01443537": "goldfish", "n02012849": "crane bird", "n03126707": "crane", "n15075141": "toilet tissue"}
    assert {wnid: categories[WNIDS.index(wnid)] for wnid in known} == known
