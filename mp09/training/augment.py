"""Random changes of training pictures, each picture its own, drawn from PyTorch's random state."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

Augment = Callable[[Tensor], Tensor]  # uint8 (N, 3, H, W) -> the same


def per_picture(transform: Callable[[Tensor], Tensor]) -> Augment:
    """Any transform of torchvision's v2, drawn anew for every picture of a batch."""
    return lambda images: torch.stack([transform(image) for image in images])


def flip(images: Tensor) -> Tensor:
    """Mirror every second picture or so, left to right."""
    chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(chosen, images.flip(-1), images)


def crop_and_flip(padding: int = 4) -> Augment:
    """Move each picture by up to `padding` pixels, filling by reflection, and mirror half of them, CIFAR's habit."""

    def augment(images: Tensor) -> Tensor:
        n, _, height, width = images.shape
        padded = F.pad(images.float(), [padding] * 4, mode="reflect").to(images.dtype)
        starts = torch.randint(2 * padding + 1, (2, n), device=images.device)
        rows = starts[0, :, None] + torch.arange(height, device=images.device)
        columns = starts[1, :, None] + torch.arange(width, device=images.device)
        picture = torch.arange(n, device=images.device)[:, None, None]
        moved = padded.permute(0, 2, 3, 1)[picture, rows[:, :, None], columns[:, None, :]]
        return flip(moved.permute(0, 3, 1, 2))

    return augment


AUGMENTATIONS: dict[str, Augment | None] = {
    "none": None,
    "flip": flip,
    "crop": crop_and_flip(),
    "strong": per_picture(
        v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomRotation(15),
                v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
            ]
        )
    ),
}
