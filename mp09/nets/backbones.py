"""Published networks, cut into a backbone (pictures -> features) and a head (features -> logits).

    backbone("resnet18-32")                        # the course's network for 32x32 pictures, with its resnet18.pt
    backbone("alexnet", weights="IMAGENET1K_V1")   # all that `published` takes

SqueezeNet has no linear layer to be cut at: its features are averaged instead, and its backbone has no head.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from mp09.nets.preprocess import Preprocess
from mp09.nets.published import OUR_CLASSES, OURS, SQUEEZED, last_linear, names, published, read_state

__all__ = ["OURS", "OUR_CLASSES", "Backbone", "backbone", "names", "read_state"]


@dataclass(frozen=True)
class Backbone:
    """A network in two parts, and what it expects.

    body: float (N, 3, size, size) -> features (N, width)
    head: features -> logits (N, classes); None where the published head is not one linear layer
    classes: names of the head's outputs; empty when they are not known
    weights: which ones, in words
    """

    name: str
    body: nn.Module
    head: nn.Linear | None
    width: int
    preprocess: Preprocess
    classes: tuple[str, ...]
    weights: str


def backbone(name: str, weights: str | Path = "default") -> Backbone:
    """Build a network and cut it before its last linear layer.

    Arguments and errors as `published`.
    """
    whole = published(name, weights)
    body, head, width = _cut(whole.net)
    return Backbone(name, body, head, width, whole.preprocess, whole.classes, whole.weights)


def _cut(net: nn.Module) -> tuple[nn.Module, nn.Linear | None, int]:
    """(body, head, width): the last linear layer is the head, and the body passes on what it was given."""
    name, head = last_linear(net)
    if head is None:  # SqueezeNet ends in a convolution to class maps and their average: features are averaged instead
        width = net.get_submodule(SQUEEZED).in_channels
        net.classifier[1] = nn.Identity()
        return net, None, width
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, nn.Identity())
    return net, head, head.in_features
