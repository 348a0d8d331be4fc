"""Pictures are prepared as torchvision's own transforms do it."""

import pytest
import torch
from torchvision import models as zoo

from mp09.nets.backbones import backbone


@pytest.mark.parametrize("size", [(224, 224), (300, 261), (64, 64), (256, 256)])
def test_the_weights_own_transforms(size):
    preprocess = backbone("alexnet", "none").preprocess
    pictures = torch.randint(256, (2, 3, *size), dtype=torch.uint8)
    expected = zoo.AlexNet_Weights.DEFAULT.transforms()(pictures)
    torch.testing.assert_close(preprocess(pictures), expected, atol=1e-5, rtol=1e-5)
    squares = torch.stack([preprocess.square(picture) for picture in pictures])
    assert squares.shape[-2:] == (256, 256)
    torch.testing.assert_close(preprocess(squares), expected, atol=1e-5, rtol=1e-5)
