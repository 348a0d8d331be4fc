"""A backbone and a head as one network that takes pictures as they are."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mp09.errors import NetworkError
from mp09.nets.backbones import Backbone, backbone
from mp09.nets.freeze import freeze


class Classifier(nn.Module):
    """uint8 (N, 3, H, W), 0..255 -> logits (N, classes).

    `learn` says which blocks of the backbone learn, as in `freeze`; what is frozen stays in eval mode.
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
        """uint8 (N, 3, H, W) -> (N, width)."""
        return self.body(self.preprocess(images).to(memory_format=torch.channels_last))

    def train(self, mode: bool = True) -> "Classifier":
        """Switch between training and evaluation; what is frozen stays in evaluation, or BatchNorm would move."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self


def own_head(network: str, weights: str) -> tuple[Classifier, tuple[str, ...]]:
    """A published network with its own head, and the names of its classes.

    Raises NetworkError as `backbone` does, and when that head is not one linear layer.
    """
    base = backbone(network, weights)
    if base.head is None:
        raise NetworkError(f"{network}: its published head is not one linear layer; train one.")
    return Classifier(base, base.head), base.classes


def make_head(width: int, outputs: int, *, hidden: Sequence[int] = (), dropout: float = 0.0) -> nn.Sequential:
    """features (N, width) -> logits (N, outputs), through layers of `hidden` units with ReLU (and dropout).

    One output is a binary head: its logit is above 0 for class 1.
    """
    layers: list[nn.Module] = []
    for units in hidden:
        layers += [nn.Linear(width, units), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = units
    return nn.Sequential(*layers, nn.Linear(width, outputs))
