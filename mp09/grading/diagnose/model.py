"""The trained network: are the pretrained weights unchanged, and what did it learn?"""

from dataclasses import dataclass

import numpy as np

from mp09.data.cifar import CLASSES
from mp09.grading import rubric
from mp09.grading.diagnose.record import Diagnosis

CHANCE = 1 / len(CLASSES)
ADVICE_STATISTICS = (
    "The backbone's BatchNorm statistics moved: in train() mode they follow the batches, frozen weights or not. "
    "Keep the frozen part in eval() mode while training."
)
ADVICE_DROPPED = "Part of resnet18.pt is not in your model; more of it usually gives better features."


@dataclass(frozen=True)
class Backbone:
    """Where the checkpoint's tensors are found in a model: names of checkpoint tensors."""

    unchanged: list[str]
    changed: list[str]
    absent: list[str]  # not there, and nothing like them, though tensors of their shape are
    dropped: list[str]  # not there, and no tensor of their shape is
    moved_statistics: bool


def compare_backbone(checkpoint: dict[str, np.ndarray], model: dict[str, np.ndarray]) -> Backbone:
    """Find the checkpoint's tensors (all but `fc`) in the model by value: names and nesting are free."""
    by_shape: dict[tuple, list[np.ndarray]] = {}
    for tensor in model.values():
        by_shape.setdefault(tensor.shape, []).append(tensor)
    found: dict[str, list[str]] = {"unchanged": [], "changed": [], "absent": [], "dropped": []}
    moved = False
    for name, tensor in checkpoint.items():
        if name.startswith("fc."):
            continue
        state = _find(tensor, by_shape.get(tensor.shape, []))
        if "running_" in name:
            moved |= state == "changed"
        else:
            found[state].append(name)
    return Backbone(**found, moved_statistics=moved)


def _find(tensor: np.ndarray, candidates: list[np.ndarray]) -> str:
    if any(np.allclose(tensor, other, rtol=0, atol=rubric.WEIGHT_TOLERANCE) for other in candidates):
        return "unchanged"
    if not candidates:
        return "dropped"
    return "changed" if any(_correlation(tensor, other) > 0.5 for other in candidates) else "absent"


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's, of all values; 0 for a constant tensor, such as BatchNorm's initial ones."""
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / size if size > 0 else 0.0


def frozen(backbone: Backbone, *, accuracy: float) -> Diagnosis | None:
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


def accuracy(value: float, predictions: np.ndarray) -> Diagnosis | None:
    """value: 0..1; predictions: int64 (N,), -1 where the network's output was not a number."""
    top = rubric.ACCURACY_STEPS[-1]
    if value >= top:
        return None
    wanted = f"an accuracy of at least {top:.2f} on the test pictures"
    got = f"{value:.4f} on {len(predictions)} pictures"
    if (predictions < 0).mean() > 0.5:
        remedy = "The network's outputs are NaN: the learning rate is too high, or something is divided by zero."
        return Diagnosis("accuracy-nan", wanted, got, remedy)
    if len(set(predictions.tolist())) == 1:
        remedy = (
            "Every picture gets the same class: the head was not trained, or collapsed with too high a learning rate."
        )
        return Diagnosis("accuracy-constant", wanted, got, remedy)
    if value < rubric.TRAINED_ACCURACY:
        return Diagnosis("accuracy-chance", wanted, got, untrained_remedy(value))
    remedy = (
        "Close. Check that test pictures are normalised like training pictures and not augmented, that the pretrained "
        "weights are loaded, that the loss takes logits (no softmax before CrossEntropyLoss), and train an epoch more."
    )
    return Diagnosis("accuracy-low", wanted, got, remedy)


def prediction_count(expected: int, shape: tuple[int, ...]) -> Diagnosis:
    remedy = "build_dataset must give one item for each picture of a file, and the network one row for each."
    return Diagnosis("prediction-count", f"{expected} predictions", f"{shape}", remedy)


def test_advice(value: float | None, accuracy: float) -> str | None:
    """What to say about test(), which the course leaves free: a fraction, a percentage or nothing."""
    if value is None:
        return "test() returned no number; returning the accuracy as a fraction 0..1 makes it useful for you."
    if value > 1.0:
        return f"test() returned {value:.4g}; a fraction 0..1 is what the handout describes."
    if abs(value - accuracy) > 0.1:
        return f"test() says {value:.3f}, the grader measured {accuracy:.3f}: is test() in eval mode, and counts all?"
    return None
