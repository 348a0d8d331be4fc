"""What a network does to a picture before its first layer: size, crop, normalisation. Part of the network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

BOX = "box"  # each pixel the mean of those it covers; larger pictures are made by bilinear interpolation


class Preprocess(nn.Module):
    """uint8 (N, 3, H, W), 0..255 -> normalised float (N, 3, size, size).

    Pictures of other sizes are resized so that their shorter side is `resize`, and cut to the middle, as
    torchvision's presets do. The numbers `mean` and `std` are for pixels in 0..1, one a colour.
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
        """interpolation: "box" (see above), or torchvision's "bilinear", "bicubic", ..."""
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
        """uint8 (N, 3, H, W) -> the same with its shorter side of `resize` pixels."""
        height, width = images.shape[-2:]
        side = min(height, width)
        if self.box and side > self.resize:
            size = [self.resize * height // side, self.resize * width // side]
            return F.interpolate(images.float(), size, mode="area").round().to(images.dtype)
        return functional.resize(images, [self.resize], self.interpolation, antialias=True)

    def square(self, image: Tensor) -> Tensor:
        """uint8 (3, H, W) -> uint8 (3, resize, resize): what `forward` uses of a picture, so that sizes are one."""
        resized = self.resized(image[None])[0]
        # `forward` crops once more, and rounds once more: where its crop begins in this one must be where it would have
        top, left = (round((side - self.size) / 2) - round((self.resize - self.size) / 2) for side in resized.shape[1:])
        return functional.crop(resized, top, left, self.resize, self.resize)

    def describe(self) -> dict:
        """As plain values, for cards and cache keys."""
        return {
            "size": self.size,
            "resize": self.resize,
            "interpolation": BOX if self.box else self.interpolation.value,
            "mean": self.mean,
            "std": self.std,
        }
