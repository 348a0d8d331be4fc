"""Trains a backbone like resnet18.pt from images, and measures what its card says.

This is the work of `python -m mp09 pretrain`. The model learns from Tiny ImageNet at 32x32 first, and then from
CIFAR-10's ten classes. Only training splits are used and the last weights are taken; the test split is looked at once
in a run, at the end. Every stage is a run of its own that goes on where it stopped.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mp09.data import archives, cifar, class_folders, tiny_imagenet
from mp09.data.archives import Progress
from mp09.data.cifar import CLASSES
from mp09.data.imageset import ImageSet
from mp09.device import choose_device
from mp09.errors import DataError, TrainingError
from mp09.features.cache import digest_model
from mp09.features.extract import ExtractOptions, extract
from mp09.features.heads import accuracy, train_head
from mp09.files import atomic_write, write_json
from mp09.nets.backbones import Backbone, backbone
from mp09.nets.classifier import Classifier
from mp09.nets.ours import OUR_CLASSES, OURS
from mp09.recipes.datasets import digest
from mp09.recipes.progress import Say, no_progress, of_epochs, silent
from mp09.training.augment import AUGMENTATIONS
from mp09.training.batches import Batches
from mp09.training.fit import fit
from mp09.training.options import FitOptions

SIDE = 32
BATCH_SIZE = 256
PROBE_EPOCHS, PROBE_LR = 15, 3e-3


@dataclass(frozen=True)
class Stage:
    """Describes a stage, which is one run of SGD with a one-cycle schedule on one data set.

    Attributes:
        name: The name of the stage and of its folder.
        images: The data set, "tiny-imagenet" or "cifar10".
        augment: A name in AUGMENTATIONS.
        epochs, lr, weight_decay, label_smoothing: As in `FitOptions`.
    """

    name: str
    images: str
    augment: str
    epochs: int
    lr: float
    weight_decay: float
    label_smoothing: float


STAGES = (
    Stage("tiny-imagenet", "tiny-imagenet", "crop", 8, 0.3, 2.5e-4, 0.1),
    Stage("cifar10", "cifar10", "cutout", 64, 0.2, 5e-4, 0.1),
)


@dataclass(frozen=True)
class Card:
    """Holds what was measured on CIFAR-10's test images.

    Attributes:
        accuracy_10: Accuracy of the checkpoint on all ten classes, 0 to 1.
        probe_8: Accuracy of a linear probe on the assignment's eight classes, 0 to 1.
        probe_images: How many training images the probe learned from.
    """

    accuracy_10: float
    probe_8: float
    probe_images: int


@dataclass(frozen=True)
class PretrainOptions:
    """Says how a backbone is trained.

    Attributes:
        epochs: The epochs of each stage; None takes those of STAGES.
        hold_out: How many of CIFAR-10's training images are not trained on, but validated on after every epoch. By
            them recipes are compared; the checkpoint that counts learns from all.
        start: The weights that the first stage begins with, as `backbone` takes them; the last layer may have any
            classes, and is made anew where it has others than the stage.
        device: "auto" for the fastest one, "cpu", "cuda" or "mps".
        seed: Of everything that is random, but for the linear probe, whose seed is 0.
    """

    epochs: tuple[int, ...] | None = None
    hold_out: int = 0
    start: str = "none"
    device: str = "auto"
    seed: int = 0


def pretrain(
    tiny: Path | None,
    cifar10: Path,
    options: PretrainOptions = PretrainOptions(),
    *,
    out: Path,
    progress: Progress = no_progress,
    say: Say = silent,
) -> tuple[Path, Card]:
    """Run all stages, write the checkpoint with its card, and return the checkpoint's path and the card.

    Args:
        tiny: The folder of Tiny ImageNet; None leaves its stage out.
        cifar10: A folder or an archive with images of all ten classes in train/<class>/ and test/<class>/.
        options: How the backbone is trained.
        out: The folder for the stages' own folders, for resnet18.pt, which is in half precision, and resnet18.json.
        progress: Is told how far each stage is.
        say: Is called with lines of text.

    Raises:
        DataError: Images are missing or damaged, or have another size.
        TrainingError: There are more or fewer numbers of epochs than stages, a loss is not a number, a stage's folder
            holds another run or a damaged one, or a checkpoint or the card can't be written.
        ModelError: `start` is no file of weights, or they don't fit.
        DeviceError: There is no such device.
    """
    stages = list(STAGES if tiny else STAGES[1:])
    epochs, seed = options.epochs, options.seed
    if epochs is not None and len(epochs) != len(stages):
        raise TrainingError(
            f"epochs: expected a number for each of {', '.join(s.name for s in stages)}; got {len(epochs)}."
        )
    stages = [
        replace(stage, epochs=count) for stage, count in zip(stages, epochs or [s.epochs for s in stages], strict=True)
    ]
    train, test = read_cifar10(cifar10)
    if not 0 <= options.hold_out < len(train):
        raise TrainingError(f"hold_out: expected 0 to {len(train) - 1} images, got {options.hold_out}.")
    order = np.random.default_rng(seed).permutation(len(train))
    learned, held = train.take(np.sort(order[options.hold_out :])), train.take(np.sort(order[: options.hold_out]))
    torch.manual_seed(seed)
    base = backbone(OURS, options.start)
    head = base.head
    assert head is not None  # the course's model ends in one linear layer
    for stage in stages:
        found = shrunk(tiny) if tiny and stage.images == "tiny-imagenet" else learned
        valid = _batches(held) if len(held) and found is learned else None
        if head.out_features != len(found.classes):
            torch.manual_seed(seed)  # so that a run that was interrupted begins a stage as one that was not
            head = torch.nn.Linear(base.width, len(found.classes))
        say(f"{stage.name}: {stage.epochs} epochs, {len(found)} images")
        fit(
            Classifier(base, head, learn="all"),
            _batches(found, shuffle=True),
            valid,
            options=FitOptions(
                epochs=stage.epochs,
                optimizer="sgd",
                lr=stage.lr,
                weight_decay=stage.weight_decay,
                label_smoothing=stage.label_smoothing,
                device=options.device,
                seed=seed,
            ),
            augment=AUGMENTATIONS[stage.augment],
            folder=out / stage.name,
            card={"stage": stage.name, "start": digest_model(base.body), "images": digest(found)},
            watch=of_epochs(progress, say, stage.epochs),
        )
    path = out / "resnet18.pt"
    write_half(base, head, path)
    card = measure(path, train, test, device=options.device)
    beside = path.with_suffix(".json")
    with _writing(beside):
        write_json(beside, asdict(card))
    return path, card


def _batches(found: ImageSet, *, shuffle: bool = False) -> Batches:
    return Batches(torch.from_numpy(found.images), torch.from_numpy(found.labels), BATCH_SIZE, shuffle=shuffle)


def write_half(base: Backbone, head: torch.nn.Linear, path: Path) -> None:
    """Write a state dict for models.resnet18, in which convolutions and fc.weight are float16.

    Raises TrainingError when it can't be written, for example because the disk is full.
    """
    state = {**base.body.state_dict(), "fc.weight": head.weight, "fc.bias": head.bias}
    state = {name: _half(tensor.detach().cpu()) for name, tensor in state.items()}
    content = io.BytesIO()
    torch.save(state, content)  # not into the file, as PyTorch turns the error of a full disk into one of its own
    with _writing(path), atomic_write(path) as file:
        file.write(content.getbuffer())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an OSError of the block, which writes this file, into a TrainingError that names it."""
    try:
        yield
    except OSError as error:
        raise TrainingError(f"{path}: could not be written ({error}).") from error


def _half(tensor: Tensor) -> Tensor:
    return (tensor.half() if tensor.ndim >= 2 else tensor).contiguous().clone()


def measure(path: Path, train: ImageSet, test: ImageSet, *, device: str = "auto") -> Card:
    """Measure what the card of a checkpoint says, on ten classes and with a linear probe on eight.

    Args:
        path: The checkpoint.
        train, test: The images of CIFAR-10's ten classes. The probe learns from the training images.
        device: "auto" for the fastest one, "cpu", "cuda" or "mps".
    """
    base = backbone(OURS, path)
    assert base.head is not None  # the course's model ends in one linear layer
    options = ExtractOptions(device)
    tens = accuracy(base.head.to(choose_device(device)), extract(base, test, options))
    eight_train, eight_test = (extract(base, eight_of(part), options) for part in (train, test))
    torch.manual_seed(0)
    head = torch.nn.Linear(base.width, len(CLASSES))
    train_head(head, eight_train, options=FitOptions(epochs=PROBE_EPOCHS, lr=PROBE_LR, device=device))
    return Card(tens, accuracy(head, eight_test), len(eight_train))


def eight_of(found: ImageSet) -> ImageSet:
    """Return the images of the assignment's eight classes, renumbered, out of CIFAR-10's ten."""
    labels = cifar.renumber(found.labels, found.classes)
    return ImageSet(found.images[labels >= 0], labels[labels >= 0], CLASSES)


def read_cifar10(source: Path) -> tuple[ImageSet, ImageSet]:
    """Read CIFAR-10's training and test images, all ten classes. Raises DataError when some are missing or damaged."""
    found = archives.decode_files(archives.read_files(source, classes=OUR_CLASSES), source)
    train, test = (ImageSet(found[split].images, found[split].labels, OUR_CLASSES) for split in archives.SPLITS)
    return train, test


def shrunk(root: Path) -> ImageSet:
    """Return Tiny ImageNet's training images at 32x32, each pixel of which is the mean of 2x2 pixels.

    Raises DataError when they are missing or damaged, or not 64x64.
    """
    train, _ = tiny_imagenet.open_tiny_imagenet(root)
    found = class_folders.load_images(train)
    if found is None or found.images.shape[-2:] != (2 * SIDE, 2 * SIDE):
        raise DataError(f"{root}: expected images of {2 * SIDE}x{2 * SIDE} pixels.")
    small = np.concatenate(list(_means(found.images)))
    return ImageSet(small, found.labels, found.classes)


def _means(images: np.ndarray, at_a_time: int = 4096) -> Iterator[np.ndarray]:
    for start in range(0, len(images), at_a_time):
        part = images[start : start + at_a_time]
        blocks = part.reshape(len(part), 3, SIDE, 2, SIDE, 2).astype(np.uint16)
        yield ((blocks.sum(axis=(3, 5)) + 2) // 4).astype(np.uint8)
