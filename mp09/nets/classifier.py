"""Joins a backbone and a head into one model that takes images as they are."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mp09.errors import ModelError
from mp09.nets.backbones import Backbone, backbone
from mp09.nets.freeze import freeze


class Classifier(nn.Module):
    """Maps images uint8 (N, 3, H, W), values 0 to 255, to logits (N, classes).

    What is frozen gets no gradients, and stays in eval mode even through `train()`.

    Args:
        backbone: gives the features (N, width).
        head: maps the features to logits.
        learn: how many of the backbone's last blocks learn; 0, the default, freezes all of it, and "all" nothing.

    Raises:
        ModelError: the backbone has fewer blocks.
    """

    def __init__(self, backbone: Backbone, head: nn.Module, *, learn: int | str = 0):
        super().__init__()
        self.preprocess = backbone.preprocess
        self.body = backbone.body.to(memory_format=torch.channels_last)
        self.head = head
        self._frozen = freeze(self.body, learn)
        self.train(self.training)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Return the features (N, width) of images uint8 (N, 3, H, W)."""
        return self.body(self.preprocess(images).to(memory_format=torch.channels_last))

    def train(self, mode: bool = True) -> "Classifier":
        """Switch to train or eval mode; what is frozen stays in eval mode, or BatchNorm's statistics would move."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self


def own_head(model: str, weights: str) -> tuple[Classifier, tuple[str, ...]]:
    """Return a published model with its own head, and the names of its classes.

    Raises:
        ModelError: as `backbone` does, or that head is not one linear layer.
    """
    base = backbone(model, weights)
    if base.head is None:
        raise ModelError(f"{model}: its published head is not one linear layer; train one.")
    return Classifier(base, base.head), base.classes


def make_head(width: int, outputs: int, *, hidden: Sequence[int] = (), dropout: float = 0.0) -> nn.Sequential:
    """Make a head with random weights that maps features (N, width) to logits (N, outputs).

    Args:
        width: the number of features.
        outputs: the number of logits; a head with one is binary, and its logit is above 0 for class 1.
        hidden: the sizes of hidden layers, each of which is followed by ReLU; by default there are none.
        dropout: the probability of dropout after each hidden layer, 0 or more and below 1; 0, the default, for none.

    Returns:
        Linear layers, float (N, width) -> logits (N, outputs), with ReLU and dropout between them. Their weights are
        those of PyTorch's random state.
    """
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = units
    return nn.Sequential(*layers, nn.Linear(width, outputs))
