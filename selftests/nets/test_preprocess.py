"""Pictures are prepared as torchvision's own transforms do it."""

import pytest
import torch
from torchvision import models as zoo
from torchvision.transforms.functional import to_pil_image

from mp09.nets.backbones import backbone


def assert_prepared_as_published(ready, weights, pictures):
    """Torchvision prepares Pillow's pictures; here some values are one step away, few two: two passes are rounded."""
    preset = weights.transforms()
    expected = torch.stack([preset(to_pil_image(picture)) for picture in pictures])
    one_step = 1 / 255 / min(preset.std)
    steps = (ready - expected).abs() / one_step
    assert steps.max() < 2.01
    assert steps.gt(1.01).float().mean() < 1e-4
    assert steps.gt(0.1).float().mean() < 0.03


@pytest.mark.parametrize("size", [(224, 224), (300, 261), (64, 64), (256, 256)])
def test_the_weights_own_transforms(size):
    preprocess = backbone("alexnet", "none").preprocess
    pictures = torch.randint(256, (2, 3, *size), dtype=torch.uint8)
    assert_prepared_as_published(preprocess(pictures), zoo.AlexNet_Weights.DEFAULT, pictures)
    squares = torch.stack([preprocess.square(picture) for picture in pictures])
    assert squares.shape[-2:] == (256, 256)
    torch.testing.assert_close(preprocess(squares), preprocess(pictures), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(500, 375), (342, 457), (342, 342), (343, 600)])
def test_a_crop_of_a_crop_begins_where_one_crop_would(size):
    preprocess = backbone("inception_v3", "none").preprocess
    assert (preprocess.resize, preprocess.size) == (342, 299)
    picture = torch.randint(256, (3, *size), dtype=torch.uint8)
    assert torch.equal(preprocess(preprocess.square(picture)[None]), preprocess(picture[None]))


def test_our_network_takes_the_mean_of_every_box_of_pixels():
    preprocess = backbone("resnet18-32", "none").preprocess
    pictures = torch.randint(256, (2, 3, 64, 96), dtype=torch.uint8)
    boxes = pictures[..., 16:80].float().unflatten(3, (32, 2)).unflatten(2, (32, 2)).mean(dim=(3, 5)).round()
    torch.testing.assert_close(preprocess(pictures), boxes * preprocess.scale + preprocess.shift)


def test_smaller_pictures_are_enlarged_smoothly():
    pictures = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    pictures[..., 4:] = 255
    assert backbone("resnet18-32", "none").preprocess.resized(pictures).unique().numel() > 2
