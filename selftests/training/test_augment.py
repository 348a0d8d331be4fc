"""Tests that every image is changed by itself and stays uint8, and that the same seed gives the same changes."""

import pytest
import torch

from mp09.training.augment import AUGMENTATIONS, crop_and_flip, crop_flip_and_cut, flip

IMAGES = torch.randint(256, (64, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "none"])
def test_shape_and_type_stay_and_the_seed_decides(name):
    changed = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        changed.append(AUGMENTATIONS[name](IMAGES))
    assert changed[0].shape == IMAGES.shape
    assert changed[0].dtype == torch.uint8
    assert torch.equal(changed[0], changed[1])
    assert not torch.equal(changed[0], changed[2])


def test_a_flip_mirrors_some_images_and_leaves_the_others():
    torch.manual_seed(0)
    changed = flip(IMAGES)
    same = (changed == IMAGES).flatten(1).all(1)
    mirrored = (changed == IMAGES.flip(-1)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 10 < mirrored.sum() < 54


def test_a_square_is_cut_out_of_the_moved_image():
    torch.manual_seed(0)
    moved = crop_and_flip(4)(IMAGES)
    torch.manual_seed(0)
    changed = crop_flip_and_cut(4, 8)(IMAGES)
    cut = (changed != moved).any(1)
    assert (changed == 120).all(1)[cut].all()
    sizes = torch.stack([cut.any(2).sum(1), cut.any(1).sum(1)])  # rows and columns of each image
    assert sizes.max() == 8
    assert (sizes == 8).float().mean() > 0.5
    assert sizes.min() >= 3  # the least that a square whose centre is in a corner leaves


def test_a_crop_is_a_part_of_the_reflected_image():
    torch.manual_seed(0)
    changed = crop_and_flip(2)(IMAGES[:8])
    padded = torch.nn.functional.pad(IMAGES[:8].float(), [2] * 4, mode="reflect").to(torch.uint8)
    for image, large in zip(changed, padded, strict=True):
        parts = [large[:, i : i + 32, j : j + 32] for i in range(5) for j in range(5)]
        assert any(torch.equal(image, part) or torch.equal(image, part.flip(-1)) for part in parts)
