"""Changes training images at random, each image in its own way, with numbers from PyTorch's random state."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

GREY = 120  # about the mean of CIFAR-10's pixels

Augment = Callable[[Tensor], Tensor]  # maps images uint8 (N, 3, H, W) to changed ones


def per_image(transform: Callable[[Tensor], Tensor]) -> Augment:
    """Return an augmentation that applies a transform to every image of a batch by itself.

    The transforms of torchvision's v2 choose their random numbers once for a whole batch; here each image gets its own.

    Args:
        transform: Maps an image uint8 (3, H, W) to a changed one, as those of torchvision's v2 do.
    """
    return lambda images: torch.stack([transform(image) for image in images])


def flip(images: Tensor) -> Tensor:
    """Mirror each image, uint8 (N, 3, H, W), left to right with a probability of one half."""
    chosen = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(chosen, images.flip(-1), images)


def crop_and_flip(padding: int = 4) -> Augment:
    """Return an augmentation that moves each image at random and mirrors about half of them.

    It is the usual one for CIFAR (He et al., Deep Residual Learning, 2016), with reflections in place of black borders.

    Args:
        padding: By how many pixels an image is moved at most, up or down and left or right, fewer than it has; by
            default 4. What comes into view is filled with a reflection of the image.

    Returns:
        A function that maps images uint8 (N, 3, H, W) to changed ones, for `augment` of `fit`. Its random numbers are
        those of PyTorch's random state.
    """

    def augment(images: Tensor) -> Tensor:
        n, _, height, width = images.shape
        padded = F.pad(images.float(), [padding] * 4, mode="reflect").to(images.dtype)
        starts = torch.randint(2 * padding + 1, (2, n), device=images.device)
        rows = starts[0, :, None] + torch.arange(height, device=images.device)
        columns = starts[1, :, None] + torch.arange(width, device=images.device)
        image = torch.arange(n, device=images.device)[:, None, None]
        moved = padded.permute(0, 2, 3, 1)[image, rows[:, :, None], columns[:, None, :]]
        return flip(moved.permute(0, 3, 1, 2))

    return augment


def crop_flip_and_cut(padding: int = 4, hole: int = 8) -> Augment:
    """Return an augmentation that moves and mirrors each image, and puts a grey square somewhere on it.

    The square is the cutout of DeVries and Taylor (2017): a model that misses a part of each object looks at all parts.

    Args:
        padding: As for `crop_and_flip`.
        hole: The side of the square in pixels, by default 8. Its centre is anywhere, so part of it may lie outside.

    Returns:
        A function like that of `crop_and_flip`.
    """
    move = crop_and_flip(padding)

    def augment(images: Tensor) -> Tensor:
        n, _, height, width = images.shape
        changed = move(images)
        inside = [
            (torch.arange(size, device=images.device) - torch.randint(size, (n, 1), device=images.device) + hole // 2)
            for size in (height, width)
        ]
        rows, columns = ((place >= 0) & (place < hole) for place in inside)
        return changed.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], GREY)

    return augment


AUGMENTATIONS: dict[str, Augment | None] = {
    "none": None,
    "flip": flip,
    "crop": crop_and_flip(),
    "cutout": crop_flip_and_cut(),
    "strong": per_image(
        v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomRotation(15),
                v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2),
            ]
        )
    ),
}
