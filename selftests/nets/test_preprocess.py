"""Tests that images are prepared as torchvision's own transforms prepare them."""

import pytest
import torch
from torchvision import models as zoo
from torchvision.transforms.functional import to_pil_image

from mp09.nets.backbones import backbone


def assert_prepared_as_published(ready, weights, images):
    """Compare images with those that torchvision's transforms make of Pillow's images.

    Some values are one step of 1/255 away and a few are two steps away, as both passes of resizing are rounded.
    """
    preset = weights.transforms()
    expected = torch.stack([preset(to_pil_image(image)) for image in images])
    one_step = 1 / 255 / min(preset.std)
    steps = (ready - expected).abs() / one_step
    assert steps.max() < 2.01
    assert steps.gt(1.01).float().mean() < 1e-4
    assert steps.gt(0.1).float().mean() < 0.03


@pytest.mark.parametrize("size", [(224, 224), (300, 261), (64, 64), (256, 256)])
def test_the_weights_own_transforms(size):
    preprocess = backbone("alexnet", "none").preprocess
    images = torch.randint(256, (2, 3, *size), dtype=torch.uint8)
    assert_prepared_as_published(preprocess(images), zoo.AlexNet_Weights.DEFAULT, images)
    squares = torch.stack([preprocess.square(image) for image in images])
    assert squares.shape[-2:] == (256, 256)
    torch.testing.assert_close(preprocess(squares), preprocess(images), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [(500, 375), (342, 457), (342, 342), (343, 600)])
def test_a_crop_of_a_crop_begins_where_one_crop_would(size):
    preprocess = backbone("inception_v3", "none").preprocess
    assert (preprocess.resize, preprocess.size) == (342, 299)
    image = torch.randint(256, (3, *size), dtype=torch.uint8)
    assert torch.equal(preprocess(preprocess.square(image)[None]), preprocess(image[None]))


def test_our_model_takes_the_mean_of_every_box_of_pixels():
    preprocess = backbone("resnet18-32", "none").preprocess
    images = torch.randint(256, (2, 3, 64, 96), dtype=torch.uint8)
    boxes = images[..., 16:80].float().unflatten(3, (32, 2)).unflatten(2, (32, 2)).mean(dim=(3, 5)).round()
    torch.testing.assert_close(preprocess(images), boxes * preprocess.scale + preprocess.shift)


def test_smaller_images_are_enlarged_smoothly():
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    images[..., 4:] = 255
    assert backbone("resnet18-32", "none").preprocess.resized(images).unique().numel() > 2
