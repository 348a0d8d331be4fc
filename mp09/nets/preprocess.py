"""Prepares images for the first layer of a model: size, crop and normalisation. It is a part of the model."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

BOX = "box"  # each pixel is the mean of those that it covers; enlarging is bilinear


class Preprocess(nn.Module):
    """Maps images uint8 (N, 3, H, W), values 0 to 255, to normalised float (N, 3, size, size).

    Images are resized so that their shorter side is `resize`, and cropped to their middle, as torchvision's presets do.
    The numbers in `mean` and `std`, one for each colour, are those of pixels with values 0 to 1.
    """

    def __init__(
        self,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        resize: int | None = None,
        interpolation: str = "bilinear",
    ):
        """Make the preprocessing of a model.

        Args:
            size: the side of the model's input, in pixels.
            mean, std: three numbers each.
            resize: the shorter side before the crop; None stands for `size`.
            interpolation: "box" (see `BOX`), or torchvision's "bilinear", "bicubic", ...
        """
        super().__init__()
        self.size = size
        self.resize = resize or size
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.box = interpolation == BOX
        self.interpolation = InterpolationMode("bilinear" if self.box else interpolation)
        deviation = torch.tensor(self.std).view(3, 1, 1)
        # (x / 255 - mean) / std as one multiplication and one addition
        self.register_buffer("scale", 1 / (255 * deviation), persistent=False)
        self.register_buffer("shift", -torch.tensor(self.mean).view(3, 1, 1) / deviation, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return functional.center_crop(self.resized(images), [self.size]) * self.scale + self.shift

    def resized(self, images: Tensor) -> Tensor:
        """Resize images uint8 (N, 3, H, W) so that their shorter side has `resize` pixels."""
        height, width = images.shape[-2:]
        side = min(height, width)
        if self.box and side > self.resize:
            size = [self.resize * height // side, self.resize * width // side]
            # Apple's GPUs can't do this for sizes that don't divide.
            pixels = images.cpu() if images.device.type == "mps" else images
            return F.interpolate(pixels.float(), size, mode="area").round().to(images)
        return functional.resize(images, [self.resize], self.interpolation, antialias=True)

    def square(self, image: Tensor) -> Tensor:
        """Return what `forward` uses of an image: uint8 (3, H, W) becomes uint8 (3, resize, resize), for any H, W."""
        resized = self.resized(image[None])[0]
        # `forward` will crop again, and round again: its crop must begin where it would begin without this one.
        top, left = (round((side - self.size) / 2) - round((self.resize - self.size) / 2) for side in resized.shape[1:])
        return functional.crop(resized, top, left, self.resize, self.resize)

    def describe(self) -> dict[str, Any]:
        """Return all settings as plain values, for cards and cache keys."""
        return {
            "size": self.size,
            "resize": self.resize,
            "interpolation": BOX if self.box else self.interpolation.value,
            "mean": self.mean,
            "std": self.std,
        }
