"""Cuts published models into a backbone (images -> features) and a head (features -> logits).

    backbone("resnet18-32")                        # the course's model for 32x32 images, with its resnet18.pt
    backbone("alexnet", weights="IMAGENET1K_V1")   # takes whatever `published` takes

SqueezeNet has no linear layer at which it could be cut. Its features are averaged instead, and it has no head.
"""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from mp09.nets.ours import OUR_CLASSES, OURS
from mp09.nets.preprocess import Preprocess
from mp09.nets.published import Published, names, published, unfilled
from mp09.nets.state_dicts import last_layer, read_state

__all__ = ["OURS", "OUR_CLASSES", "Backbone", "backbone", "names", "read_state"]


@dataclass(frozen=True)
class Backbone:
    """A backbone is a model in two parts, with what it expects.

    Attributes:
        name: the model's name.
        body: maps float (N, 3, size, size) to features (N, width).
        head: maps features to logits (N, classes); None where the published head is not one linear layer.
        width: the number of features.
        preprocess: what images go through before `body`.
        classes: the names of the head's outputs; empty when they are not known.
        weights: the name of its weights, e.g. "AlexNet_Weights.IMAGENET1K_V1", or that of their file.
    """

    name: str
    body: nn.Module
    head: nn.Linear | None
    width: int
    preprocess: Preprocess
    classes: tuple[str, ...]
    weights: str


def backbone(name: str, weights: str | Path = "default") -> Backbone:
    """Build a published model with weights, and cut it before its last linear layer.

    Args:
        name: "resnet18-32", the course's ResNet-18 for 32x32 images, or any classifier of torchvision, such as
            "alexnet".
        weights: "default" (the best published ones, which may be downloaded), a name of torchvision's registry, "none"
            (random numbers), or the path of a state dict (.pt, .pth, .safetensors).

    Returns:
        The `body`, float (N, 3, S, S) -> features (N, width); the `preprocess` before it, uint8 (N, 3, H, W) -> float
        (N, 3, S, S); and the published `head`, features -> logits (N, classes).

    Raises:
        ModelError: There is no such model, there are no such weights, they don't fit, or a download fails.
    """
    return _halved(published(name, weights))


def unfilled_backbone(name: str, weights: str, state: dict[str, Tensor]) -> Backbone:
    """Build what `backbone` builds, but leave its weights random, and don't read their file.

    Args:
        name, weights: as for `backbone`.
        state: the weights that will be loaded into the body, by their names.
    """
    return _halved(unfilled(name, weights, state))


def _halved(whole: Published) -> Backbone:
    body, head, width = _cut(whole.net)
    return Backbone(whole.name, body, head, width, whole.preprocess, whole.classes, whole.weights)


def _cut(net: nn.Module) -> tuple[nn.Module, nn.Linear | None, int]:
    """Return body, head and width: the last linear layer becomes the head, and the body gives out what it was given."""
    name, layer = last_layer(net)
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, nn.Identity())
    if isinstance(layer, nn.Linear):
        return net, layer, layer.in_features
    # SqueezeNet ends in a convolution to class maps and their average; here its features are averaged.
    return net, None, layer.in_channels
