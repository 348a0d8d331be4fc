"""List what the grader changes, one thing at a time, to find out what costs a trained model its accuracy.

The worker evaluates the model with a change (`sandbox.evaluation`). The grader, which alone knows the labels of the
test images, looks what that recovers (`diagnose.causes`). So this file needs no library: a change gets an `Evaluation`,
and tensors bring their own methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # PyTorch is loaded in the worker alone
    from torch import Tensor

    from mp09.grading.sandbox.evaluation import Evaluation

CIFAR10 = ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))  # MEAN and STD of submitted.py
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # of torchvision's models
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
REFIT_IMAGES = 1600  # training images that a new head learns from
AT_TEST = "Give test images the preprocessing that training images get, without random changes."
IN_FILES = "The dataset or one of the transforms turns images round: show one of each by plt.imshow."


@dataclass(frozen=True)
class Intervention:
    """Describes one change.

    Attributes:
        key: identifies it, and is an anchor in docs/student.md.
        subject: what it changes, "model", "input", "layout" or "outputs"; two changes at a time have two subjects.
        change: makes the change to an `Evaluation`, in the worker.
        found: completes "accuracy 0.93 with ...".
        remedy: tells a student what it means that the change helps, and what to do.
    """

    key: str
    subject: str
    change: Callable[[Evaluation], None]
    found: str
    remedy: str


def _normalise(values: tuple[Sequence[float], Sequence[float]]) -> Callable[[Evaluation], None]:
    """Return a change that feeds the model the file's images, with this mean and standard deviation per colour."""

    def normalised(images: Tensor) -> Tensor:
        mean, std = (images.new_tensor(value).view(3, 1, 1) for value in values)
        return (images - mean) / std

    return lambda evaluation: evaluation.feed(normalised)


# Of changes that help about equally the first is named, so what is more special comes before what is more general.
INTERVENTIONS = (
    Intervention(
        "cause-statistics",
        "model",
        lambda evaluation: evaluation.restore_statistics(),
        "the BatchNorm statistics of resnet18.pt",
        "The model ran in train() mode, which moved the running statistics of its BatchNorm layers. Keep the frozen "
        "part in eval mode: backbone.eval() after model.train() in train(), and model.eval() in test().",
    ),
    Intervention(
        "cause-eval-mode",
        "model",
        lambda evaluation: evaluation.force_eval_mode(),
        "every layer in eval mode",
        "Some layer is in train mode after model.eval(). Look for a train() method of your own that does not pass the "
        "mode on.",
    ),
    Intervention(
        "cause-train-mode",
        "model",
        lambda evaluation: evaluation.run_in_train_mode(),
        "the model in train() mode, in batches of 64",
        "The head learned from what BatchNorm gives in train() mode. Using a model means eval mode, where its running "
        "statistics take over. Train the head with the frozen part in eval mode: backbone.eval() after model.train().",
    ),
    Intervention(
        "cause-colours",
        "layout",
        lambda evaluation: evaluation.turn(lambda images: images.flip(1)),
        "red and blue exchanged",
        f"Red and blue are the other way round in training and at test. {IN_FILES}",
    ),
    Intervention(
        "cause-transposed",
        "layout",
        lambda evaluation: evaluation.turn(lambda images: images.transpose(2, 3)),
        "rows and columns exchanged",
        f"Rows and columns are the other way round in training and at test. {IN_FILES}",
    ),
    Intervention(
        "cause-upside-down",
        "layout",
        lambda evaluation: evaluation.turn(lambda images: images.flip(2)),
        "top and bottom exchanged",
        f"Top and bottom are the other way round in training and at test. {IN_FILES}",
    ),
    Intervention(
        "cause-reshaped",
        "layout",
        lambda evaluation: evaluation.turn(lambda images: images.reshape(-1, 32, 32, 3).permute(0, 3, 1, 2)),
        "the 3072 values taken as (32, 32, 3)",
        "The training images were scrambled: the 3072 values are 3 planes, so reshape(3, 32, 32) comes first.",
    ),
    Intervention(
        "cause-unscrambled",
        "layout",
        lambda evaluation: evaluation.turn(lambda images: images.permute(0, 2, 3, 1).reshape(-1, 3, 32, 32)),
        "the 3072 values put back into 3 planes",
        "The test images are scrambled: the 3072 values are 3 planes, so reshape(3, 32, 32) comes first.",
    ),
    Intervention(
        "cause-train-transform",
        "input",
        lambda evaluation: evaluation.use_train_transform(),
        'the submission\'s own get_preprocess_transform("train")',
        f"{AT_TEST} Here, the two transforms differ, and the model knows images of the one for training.",
    ),
    Intervention(
        "cause-normalised",
        "input",
        _normalise(CIFAR10),
        "the file's images, normalised with MEAN and STD",
        f"{AT_TEST} Here, test images are not normalised like those in training.",
    ),
    Intervention(
        "cause-not-normalised",
        "input",
        lambda evaluation: evaluation.feed(lambda images: images),
        "the file's images in 0..1, not normalised",
        f"{AT_TEST} Here, training images were in 0..1, and test images are not.",
    ),
    Intervention(
        "cause-imagenet",
        "input",
        _normalise(IMAGENET),
        "the file's images, normalised with ImageNet's mean and standard deviation",
        f"{AT_TEST} Here, training images had ImageNet's mean and standard deviation, and test images have not.",
    ),
    Intervention(
        "cause-half",
        "input",
        _normalise(HALF),
        "the file's images in -1..1",
        f"{AT_TEST} Here, training images were in -1..1, and test images are not.",
    ),
    Intervention(
        "cause-bytes",
        "input",
        lambda evaluation: evaluation.feed(lambda images: images * 255),
        "the file's images in 0..255",
        f"{AT_TEST} Here, training images were in 0..255, and test images are not.",
    ),
    Intervention(
        "cause-columns",
        "outputs",
        lambda evaluation: evaluation.keep_columns(8),
        "the first 8 outputs alone",
        "The model has outputs beyond the 8 classes, and they win. Give the head 8 outputs: nn.Linear(512, 8).",
    ),
)
REFIT = Intervention(
    "refit",
    "head",
    lambda evaluation: evaluation.refit_head(),
    "a new linear head on the same features",
    "The features tell the classes apart, so data and backbone are fine, and the head has not learned enough.",
)
BY_KEY = {one.key: one for one in (*INTERVENTIONS, REFIT)}
