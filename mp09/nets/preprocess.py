"""What a network does to a picture before its first layer: size, crop, normalisation. Part of the network."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision.transforms import InterpolationMode, functional


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
        super().__init__()
        self.size = size
        self.resize = resize or size
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.interpolation = InterpolationMode(interpolation)
        deviation = torch.tensor(self.std).view(3, 1, 1)
        # (x / 255 - mean) / std as one multiplication and one addition
        self.register_buffer("scale", 1 / (255 * deviation), persistent=False)
        self.register_buffer("shift", -torch.tensor(self.mean).view(3, 1, 1) / deviation, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        images = functional.resize(images, [self.resize], self.interpolation, antialias=True)
        return functional.center_crop(images, [self.size]) * self.scale + self.shift

    def square(self, image: Tensor) -> Tensor:
        """uint8 (3, H, W) -> uint8 (3, resize, resize): what `forward` uses of a picture, so that sizes are one."""
        image = functional.resize(image, [self.resize], self.interpolation, antialias=True)
        return functional.center_crop(image, [self.resize])

    def describe(self) -> dict:
        """As plain values, for cards and cache keys."""
        return {
            "size": self.size,
            "resize": self.resize,
            "interpolation": self.interpolation.value,
            "mean": self.mean,
            "std": self.std,
        }
