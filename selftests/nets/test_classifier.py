"""Tests that what is frozen gets no gradients, stays in eval mode and builds no graph."""

import copy

import pytest
import torch
from torch import nn

from mp09.errors import ModelError
from mp09.nets.backbones import backbone
from mp09.nets.classifier import Classifier, make_head
from mp09.nets.freeze import blocks, freeze

X = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)


def classifier(learn) -> Classifier:
    base = backbone("resnet18-32", "none")
    return Classifier(base, make_head(base.width, 8), learn=learn).train()


def test_a_frozen_body_stays_as_it_is():
    model = classifier(0)
    before = copy.deepcopy(model.body.state_dict())
    model(X).sum().backward()
    assert all(torch.equal(before[name], value) for name, value in model.body.state_dict().items())
    assert not any(module.training for module in model.body.modules())
    assert model.head.training


def test_a_frozen_body_builds_no_graph():
    assert classifier(0).features(X).grad_fn is None


def test_the_last_blocks_learn_and_the_rest_does_not():
    model = classifier(1)
    model(X).sum().backward()
    assert {name.rsplit(".", 2)[0] for name, p in model.body.named_parameters() if p.grad is not None} == {"layer4.1"}
    assert model.body.layer4[1].bn1.training
    assert not model.body.layer4[0].bn1.training


def test_nothing_frozen_learns_everywhere():
    model = classifier("all")
    model(X).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    assert model.body.bn1.training


def test_all_blocks_are_all_parameters():
    body = backbone("resnet18-32", "none").body
    assert len(blocks(body)) == 9
    freeze(body, 9)
    assert all(p.requires_grad for p in body.parameters())


@pytest.mark.parametrize(("name", "count"), [("alexnet", 7), ("densenet121", 8), ("vit_b_16", 13), ("vgg11_bn", 10)])
def test_other_models_have_blocks_too(name, count):
    with torch.device("meta"):
        assert len(blocks(backbone(name, "none").body)) == count


@pytest.mark.parametrize("learn", [-1, 10, "some"])
def test_blocks_that_are_not_there_are_refused(learn):
    with pytest.raises(ModelError, match=r'expected 0 to 9 or "all"'):
        freeze(backbone("resnet18-32", "none").body, learn)


def test_a_head_has_the_layers_asked_for():
    head = make_head(1024, 2, hidden=(500, 100), dropout=0.2)
    sizes = [(layer.in_features, layer.out_features) for layer in head if isinstance(layer, nn.Linear)]
    assert sizes == [(1024, 500), (500, 100), (100, 2)]
    assert sum(isinstance(layer, nn.Dropout) for layer in head) == 2


def test_dropout_before_a_frozen_layer_is_off():
    model = Classifier(backbone("alexnet", "none"), make_head(4096, 2), learn=1).train()
    names = {name: module.training for name, module in model.body.named_modules() if isinstance(module, nn.Dropout)}
    assert names == {"classifier.0": False, "classifier.3": True}
