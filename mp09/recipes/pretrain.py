"""`python -m mp09 pretrain`: train a backbone like resnet18.pt from pictures, and measure what its card says.

First Tiny ImageNet at 32x32, then CIFAR-10's ten classes; train splits only, the last weights are taken, and the test
split is looked at once, at the end. Every stage is a run of its own that goes on where it was.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mp09.data import folders, pictures, tiny_imagenet
from mp09.data.cifar import CLASSES
from mp09.data.imageset import ImageSet
from mp09.device import choose_device
from mp09.errors import DataError, TrainingError
from mp09.features.extract import extract
from mp09.features.heads import accuracy, train_head
from mp09.files import atomic_write, write_json
from mp09.nets.backbones import OUR_CLASSES, OURS, Backbone, backbone
from mp09.nets.classifier import Classifier
from mp09.recipes.progress import Progress, Say, no_progress, of_epochs, silent
from mp09.training.augment import crop_and_flip
from mp09.training.batches import Batches
from mp09.training.fit import fit

SIDE = 32
BATCH_SIZE = 256
PROBE_EPOCHS = 15


@dataclass(frozen=True)
class Stage:
    """One run of SGD with a one-cycle schedule on one data set."""

    name: str
    pictures: str
    epochs: int
    lr: float
    weight_decay: float
    label_smoothing: float


STAGES = (
    Stage("tiny-imagenet", "tiny-imagenet", 6, 0.3, 2.5e-4, 0.1),
    Stage("cifar10-fast", "cifar10", 10, 0.12, 5e-4, 0.1),
    Stage("cifar10-fine", "cifar10", 21, 0.1, 5e-4, 0.05),
)


@dataclass(frozen=True)
class Card:
    """What was measured on CIFAR-10's test pictures: ten classes; and a linear probe on the assignment's eight."""

    accuracy_10: float
    probe_8: float
    probe_pictures: int


def pretrain(
    tiny: Path | None,
    cifar10: Path,
    *,
    out: Path,
    epochs: tuple[int, ...] | None = None,
    device: str = "auto",
    seed: int = 0,
    progress: Progress = no_progress,
    say: Say = silent,
) -> tuple[Path, Card]:
    """Run the stages into folders of `out`, write `out`/resnet18.pt in half precision, and its card beside it.

    Args:
        tiny: Tiny ImageNet's folder; None leaves its stage out.
        cifar10: pictures of all ten classes in train/<class>/ and test/<class>/, a folder or an archive.
        epochs: of each stage, instead of the recipe's.

    Raises:
        DataError, TrainingError, DeviceError.
    """
    stages = STAGES if tiny else STAGES[1:]
    if epochs is not None and len(epochs) != len(stages):
        raise TrainingError(
            f"epochs: expected {len(stages)} numbers ({', '.join(s.name for s in stages)}), got {epochs}."
        )
    stages = [
        replace(stage, epochs=count) for stage, count in zip(stages, epochs or [s.epochs for s in stages], strict=True)
    ]
    train, test = read_cifar10(cifar10)
    torch.manual_seed(seed)
    base = backbone(OURS, "none")
    head = base.head
    for stage in stages:
        found = shrunk(tiny) if stage.pictures == "tiny-imagenet" else train
        if head.out_features != len(found.classes):
            torch.manual_seed(seed)  # so that a run which was cut off begins a stage as a straight one does
            head = torch.nn.Linear(base.width, len(found.classes))
        say(f"{stage.name}: {stage.epochs} epochs, {len(found)} pictures")
        fit(
            Classifier(base, head, learn="all"),
            Batches(torch.from_numpy(found.images), torch.from_numpy(found.labels), BATCH_SIZE, shuffle=True),
            epochs=stage.epochs,
            optimizer="sgd",
            lr=stage.lr,
            weight_decay=stage.weight_decay,
            label_smoothing=stage.label_smoothing,
            augment=crop_and_flip(),
            device=device,
            seed=seed,
            folder=out / stage.name,
            card={"stage": stage.name},
            watch=of_epochs(progress, say, stage.epochs),
        )
    path = out / "resnet18.pt"
    write_half(base, head, path)
    card = measure(path, train, test, device=device)
    write_json(path.with_suffix(".json"), asdict(card))
    return path, card


def write_half(base: Backbone, head: torch.nn.Linear, path: Path) -> None:
    """A state dict for models.resnet18, convolutions and fc.weight in float16. Raises TrainingError on a full disk."""
    state = {**base.body.state_dict(), "fc.weight": head.weight, "fc.bias": head.bias}
    state = {name: _half(tensor.detach().cpu()) for name, tensor in state.items()}
    try:
        with atomic_write(path) as file:
            torch.save(state, file)
    except OSError as error:
        raise TrainingError(f"{path}: could not be written ({error}).") from error


def _half(tensor: Tensor) -> Tensor:
    return (tensor.half() if tensor.ndim >= 2 else tensor).contiguous().clone()


def measure(path: Path, train: ImageSet, test: ImageSet, *, device: str = "auto") -> Card:
    """The card of a checkpoint: ten-class accuracy, and a linear probe on the assignment's eight classes."""
    base = backbone(OURS, path)
    place = choose_device(device)
    found = extract(base, test, device=device)
    tens = accuracy(base.head.to(place), found)
    eight_train, eight_test = (extract(base, eight_of(part), device=device) for part in (train, test))
    torch.manual_seed(0)
    head = torch.nn.Linear(base.width, len(CLASSES))
    train_head(head, eight_train, epochs=PROBE_EPOCHS, device=device)
    return Card(tens, accuracy(head, eight_test), len(eight_train))


def eight_of(found: ImageSet) -> ImageSet:
    """The assignment's eight classes of CIFAR-10's ten, renumbered."""
    numbers = np.array([CLASSES.index(name) if name in CLASSES else -1 for name in found.classes])
    labels = numbers[found.labels]
    return ImageSet(found.images[labels >= 0], labels[labels >= 0], CLASSES)


def read_cifar10(source: Path) -> tuple[ImageSet, ImageSet]:
    """CIFAR-10's train and test pictures, all ten classes. Raises DataError when some are missing or damaged."""
    files = folders.read_files(source, classes=OUR_CLASSES)
    return _decoded(files, "train"), _decoded(files, "test")


def _decoded(files: folders.Files, split: str) -> ImageSet:
    names = [(label, name, content) for label, key in enumerate(OUR_CLASSES) for name, content in files[split, key]]
    images = np.stack(
        [folders.decode(f"{split}/{OUR_CLASSES[label]}/{name}", content) for label, name, content in names]
    )
    return ImageSet(images, np.array([label for label, _, _ in names]), OUR_CLASSES)


def shrunk(root: Path) -> ImageSet:
    """Tiny ImageNet's training pictures at 32x32: the mean of every 2x2 pixels."""
    train, _ = tiny_imagenet.open_tiny_imagenet(root)
    found = pictures.load_pictures(train)
    if found is None or found.images.shape[-2:] != (2 * SIDE, 2 * SIDE):
        raise DataError(f"{root}: expected pictures of {2 * SIDE}x{2 * SIDE} pixels.")
    small = np.concatenate(list(_means(found.images)))
    return ImageSet(small, found.labels, found.classes)


def _means(images: np.ndarray, at_a_time: int = 4096) -> Iterator[np.ndarray]:
    for start in range(0, len(images), at_a_time):
        part = images[start : start + at_a_time]
        blocks = part.reshape(len(part), 3, SIDE, 2, SIDE, 2).astype(np.uint16)
        yield ((blocks.sum(axis=(3, 5)) + 2) // 4).astype(np.uint8)
