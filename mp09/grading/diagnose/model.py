"""Judge the trained model: are the pretrained weights unchanged, and what did it learn?"""

from dataclasses import dataclass

import numpy as np

from mp09.data.cifar import CLASSES
from mp09.grading import rubric
from mp09.grading.diagnose.record import Diagnosis

ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}  # relative error of rounding: half a unit in the last place
CHANCE = 1 / len(CLASSES)
ADVICE_STATISTICS = (
    "The backbone's BatchNorm statistics moved: in train() mode they follow the batches, frozen weights or not. "
    "Keep the frozen part in eval() mode while training."
)
ADVICE_DROPPED = "Part of resnet18.pt is not in your model; more of it usually gives better features."


@dataclass(frozen=True)
class BackboneComparison:
    """Says which of the checkpoint's tensors are found in a model; the lists hold their names.

    Attributes:
        unchanged: those that the model has; BatchNorm's running statistics are left out.
        changed: those of which the model has a version that was trained.
        absent: those that are missing, while the model has a tensor of the same shape that is nothing like them.
        dropped: those that the model has nothing for, as when a layer was left out.
        moved_statistics: whether running statistics of BatchNorm changed.
    """

    unchanged: list[str]
    changed: list[str]
    absent: list[str]
    dropped: list[str]
    moved_statistics: bool


def compare_backbone(
    checkpoint: dict[str, np.ndarray], model: dict[str, np.ndarray], types: dict[str, str] | None = None
) -> BackboneComparison:
    """Find the checkpoint's tensors (all but `fc`) in the model by their values, so names and nesting are free.

    Each tensor of the model can stand for only one of the checkpoint.

    Args:
        checkpoint: its tensors by name, float32.
        model: the tensors of the model by name, converted to float32.
        types: what the model's tensors were before, where that was not float32; by default all were.
    """
    types = types or {}
    # The model's tensors that stand for none yet, by their shape, and how far each is rounded.
    left: dict[tuple[int, ...], list[tuple[np.ndarray, float]]] = {}
    for name, tensor in model.items():
        left.setdefault(tensor.shape, []).append((tensor, ROUNDING.get(types.get(name, ""), 0.0)))
    wanted = {name: tensor for name, tensor in checkpoint.items() if not name.startswith("fc.")}
    unchanged = [name for name, tensor in wanted.items() if _take(tensor, left.get(tensor.shape, []))]
    changed: list[str] = []
    absent: list[str] = []
    dropped: list[str] = []
    moved = False
    for name, tensor in wanted.items():
        candidates = [other for other, rounding in left.get(tensor.shape, []) if not _equal(tensor, other, rounding)]
        alike = any(_correlation(tensor, other) > 0.5 for other in candidates)
        if "running_" in name:
            moved |= name not in unchanged and alike
        elif tensor.ndim > 1 and alike:  # found, but there is also a second copy that was trained
            changed.append(name)
        elif name not in unchanged:  # a convolution of its shape but nothing like it was started anew
            (changed if alike else absent if tensor.ndim > 1 and candidates else dropped).append(name)
    kept = [name for name in unchanged if "running_" not in name and name not in changed]
    return BackboneComparison(kept, changed, absent, dropped, moved)


def _take(tensor: np.ndarray, candidates: list[tuple[np.ndarray, float]]) -> bool:
    """Remove the first candidate that equals the tensor, and return whether there was one."""
    for position, (other, rounding) in enumerate(candidates):
        if _equal(tensor, other, rounding):
            del candidates[position]
            return True
    return False


def _equal(tensor: np.ndarray, other: np.ndarray, rounding: float) -> bool:
    return np.allclose(tensor, other, rtol=rounding, atol=rubric.WEIGHT_TOLERANCE)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's correlation of all values; 0 for a constant tensor, such as BatchNorm's initial ones."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / size if size > 0 else 0.0


def frozen(backbone: BackboneComparison, *, accuracy: float) -> Diagnosis | None:
    wanted = "every weight that came from resnet18.pt to be unchanged after run_model(), and a trained classifier"
    if not backbone.unchanged and not backbone.changed:
        remedy = (
            'Load the checkpoint: resnet18(pretrained=True), or load_state_dict(torch.load("resnet18.pt")) '
            "before the last layer is replaced."
        )
        return Diagnosis("backbone-not-loaded", wanted, "no weights of resnet18.pt in the model", remedy)
    if touched := backbone.changed + backbone.absent:
        parts = sorted({name.split(".")[0] for name in touched})
        all_parts = sorted({name.split(".")[0] for name in touched + backbone.unchanged})
        what = "the whole backbone" if parts == all_parts else ", ".join(parts)
        return Diagnosis(
            "backbone-changed",
            wanted,
            f"{what} changed during training although it should be frozen",
            "Set requires_grad = False for the backbone's parameters, and give the optimizer only the classifier's.",
        )
    if accuracy < rubric.TRAINED_ACCURACY:
        return Diagnosis(
            "nothing-trained",
            wanted,
            "an unchanged backbone, but a classifier that knows nothing",
            untrained_remedy(accuracy),
        )
    return None


def untrained_remedy(accuracy: float) -> str:
    if abs(accuracy - CHANCE) < 0.03:
        return (
            f"Accuracy {accuracy:.3f} is chance for 8 classes: labels and images don't line up, or the head was never "
            "trained (is it in the optimizer? are zero_grad, backward and step all called?)."
        )
    return "Train longer, or with another learning rate (0.001 suits Adam), and check loss and normalisation."


def accuracy(value: float, predictions: np.ndarray, agreement: float = 1.0) -> Diagnosis | None:
    """Explain an accuracy that misses the last step, and two passes that give different classes.

    Args:
        value: the accuracy, 0 to 1.
        predictions: the classes, int64 (N,), -1 where the output was not a number.
        agreement: the share of images that got the same class in both passes, 0 to 1.
    """
    top = rubric.ACCURACY_STEPS[-1]
    if agreement < rubric.AGREEMENT:
        return Diagnosis(
            "not-a-function",
            "the same class for an image each time, whatever comes before it and beside it",
            "another class for some of the images, in another order and with another batch size",
            'Random changes belong to training only: no augmentation in get_preprocess_transform("test"), dropout and '
            "BatchNorm in eval mode, nothing counted between calls.",
        )
    if value >= top:
        return None
    wanted = f"an accuracy of at least {top:.2f} on the test images"
    got = f"{value:.4f} on {len(predictions)} images"
    if (predictions < 0).mean() > 0.5:
        remedy = "The model's outputs are NaN: the learning rate is too high, or something is divided by zero."
        return Diagnosis("accuracy-nan", wanted, got, remedy)
    if len(set(predictions.tolist())) == 1:
        remedy = (
            "Every image gets the same class: the head was not trained, or collapsed with too high a learning rate."
        )
        return Diagnosis("accuracy-constant", wanted, got, remedy)
    if value < rubric.TRAINED_ACCURACY:
        return Diagnosis("accuracy-chance", wanted, got, untrained_remedy(value))
    remedy = (
        "Close. Check that test images are normalised like training images and not augmented, that the pretrained "
        "weights are loaded, that the loss takes logits (no softmax before CrossEntropyLoss), and train an epoch more."
    )
    return Diagnosis("accuracy-low", wanted, got, remedy)


def prediction_count(expected: int, shape: tuple[int, ...]) -> Diagnosis:
    remedy = "build_dataset must give one item for each image of a file, and the model one row for each."
    return Diagnosis("prediction-count", f"{expected} predictions", f"{shape}", remedy)


def test_advice(value: float | None, accuracy: float) -> str | None:
    """Return advice on test(), which may return a fraction, a percentage or nothing: the course leaves that free."""
    if value is None:
        return "test() returned no number; returning the accuracy as a fraction 0..1 makes it useful for you."
    if value > 1.0:
        return f"test() returned {value:.4g}; a fraction 0..1 is what the handout describes."
    if abs(value - accuracy) > 0.1:
        return f"test() says {value:.3f}, the grader measured {accuracy:.3f}: is test() in eval mode, and counts all?"
    return None
