"""Judge the trained model: are the pretrained weights unchanged, and what did it learn?"""

from dataclasses import dataclass

import numpy as np

from mp09.grading import rubric
from mp09.grading.diagnose.causes import FOUND, Cause, Evidence
from mp09.grading.diagnose.record import Diagnosis
from mp09.grading.sandbox.conversation import Evaluated

ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}  # relative error of rounding: half a unit in the last place
ADVICE_STATISTICS = (
    "The backbone's BatchNorm statistics moved: in train() mode they follow the batches, frozen weights or not. "
    "Keep the frozen part in eval() mode while training."
)
NOTHING = Evidence(known=0.0)
NOT_A_FUNCTION = (
    'Random changes belong to training only: no augmentation in get_preprocess_transform("test"), dropout and '
    "BatchNorm in eval mode, nothing counted between calls."
)
UNTRAINED = (
    "Is the new layer in the optimizer, are zero_grad, backward and step called, and do labels and images in training "
    "belong together? Look at the loss: it must fall."
)
TOLERANCE = 0.02  # results of test() are compared so closely
ADVICE_DROPPED = "Part of resnet18.pt is not in your model; more of it usually gives better features."


@dataclass(frozen=True)
class BackboneComparison:
    """Says which of the checkpoint's tensors are found in a model; the lists hold their names.

    Attributes:
        unchanged: those that the model has; BatchNorm's running statistics are left out.
        changed: those of which the model has a version that was trained.
        absent: those that are missing, while the model has a tensor of the same shape that is nothing like them.
        dropped: those that the model has nothing for, as when a layer was left out.
        old_head: whether the checkpoint's own last layer is there, unchanged.
        moved_statistics: whether running statistics of BatchNorm changed.
    """

    unchanged: list[str]
    changed: list[str]
    absent: list[str]
    dropped: list[str]
    moved_statistics: bool
    old_head: bool = False


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
    head = checkpoint.get("fc.weight")
    old_head = head is not None and _take(head, left.get(head.shape, []))
    return BackboneComparison(kept, changed, absent, dropped, moved, old_head)


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


def frozen(backbone: BackboneComparison, *, accuracy: float, evidence: Evidence = NOTHING) -> Diagnosis | None:
    """Explain what was not frozen, or that nothing was trained.

    A classifier that knows the classes as soon as something else is put right was trained, whatever its accuracy.

    Args:
        backbone: what became of the pretrained weights.
        accuracy: the measured accuracy, 0 to 1.
        evidence: what experiments showed.
    """
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
    cause = evidence.cause
    if max(accuracy, evidence.known) < rubric.TRAINED_ACCURACY:
        got = f"an unchanged backbone, and a classifier with an accuracy of {accuracy:.4f}"
        return Diagnosis("nothing-trained", wanted, got, cause.remedy if cause else UNTRAINED)
    return None


def accuracy(
    value: float, predictions: np.ndarray, agreement: float = 1.0, cause: Cause | None = None
) -> Diagnosis | None:
    """Explain an accuracy that misses the last step, and two passes that give different classes.

    Args:
        value: the accuracy, 0 to 1.
        predictions: the classes, int64 (N,), -1 where the output was not a number.
        agreement: the share of images that got the same class in both passes, 0 to 1.
        cause: what costs accuracy.
    """
    top = rubric.ACCURACY_STEPS[-1]
    sample = f"on {cause.images} of them " if cause and cause.images < len(predictions) else ""
    if agreement < rubric.AGREEMENT:
        wanted = "the same class for an image each time, whatever comes before it and beside it"
        got = "another class for some of the images, in another order and with another batch size"
        if cause and cause.key in FOUND:  # it was put right by what was changed
            found = f"{got}; accuracy {value:.4f}, and {sample}{cause.found}"
            return Diagnosis(cause.key, wanted, found, f"{cause.remedy} {NOT_A_FUNCTION}".strip())
        return Diagnosis("not-a-function", wanted, got, NOT_A_FUNCTION)
    if value >= top:
        return None
    wanted = f"an accuracy of at least {top:.2f} on the test images"
    got = f"{value:.4f} on {len(predictions)} images"
    if (predictions < 0).mean() > 0.5:
        remedy = "The model's outputs are NaN: the learning rate is too high, or something is divided by zero."
        return Diagnosis("accuracy-nan", wanted, got, remedy)
    if cause:
        return Diagnosis(cause.key, wanted, f"{got}; {sample}{cause.found}", cause.remedy)
    if len(set(predictions.tolist())) == 1:
        remedy = "Every image gets the same class: the head was not trained, or its learning rate was far too high."
        return Diagnosis("accuracy-constant", wanted, got, remedy)
    if value < rubric.TRAINED_ACCURACY:
        return Diagnosis("accuracy-chance", wanted, got, UNTRAINED)
    return Diagnosis("accuracy-low", wanted, got, "Close. Train for another epoch, and try other learning rates.")


def prediction_count(expected: int, shape: tuple[int, ...]) -> Diagnosis:
    remedy = "build_dataset must give one item for each image of a file, and the model one row for each."
    return Diagnosis("prediction-count", f"{expected} predictions", f"{shape}", remedy)


def transform_advice(evaluated: Evaluated) -> str | None:
    """Return advice when test images did not go through the submission's own transform."""
    if evaluated.transform in ("", "test"):
        return None
    words = "without a transform" if evaluated.transform == "none" else f"with {evaluated.transform} alone"
    reason = f" ({evaluated.problem})" if evaluated.problem else ""
    return f'Test images were evaluated {words}: get_preprocess_transform("test") gave nothing that fits{reason}.'


@dataclass(frozen=True)
class Tested:
    """Holds what the submission's test() gave for some images, and what the grader found for the same ones.

    Attributes:
        value: what test() returned; None if that is no number.
        right: which images the model names rightly in eval mode, bool (N,), in the order of the loader.
        in_train_mode: the same in train mode; None where that fails.
    """

    value: float | None
    right: np.ndarray
    in_train_mode: np.ndarray | None = None


def test_advice(tested: Tested | None) -> str | None:
    """Return advice on test(), whose result the course leaves free; None where it is the accuracy, or not known."""
    if tested is None:
        return None
    value, right = tested.value, tested.right
    if value is None:
        return "test() returned no number; returning the accuracy as a fraction 0..1 makes it useful for you."
    share, last = float(right.mean()), right[(len(right) - 1) // rubric.BATCH_SIZE * rubric.BATCH_SIZE :]
    others = {
        100 * share: "a percentage; a fraction 0..1 is what the handout describes",
        float(right.sum()): "the number of right images; divide by the number of all",
        float(last.mean()): "the accuracy of the last batch alone; add up over all batches",
        float(last.sum() / len(right)): "what the last batch adds; count over all batches",
    }
    if tested.in_train_mode is not None:
        others[float(tested.in_train_mode.mean())] = "the accuracy in train mode; call model.eval() in test()"
    if abs(value - share) <= TOLERANCE:
        return None
    found = next((words for other, words in others.items() if abs(value - other) <= TOLERANCE * max(1.0, other)), "")
    got = (
        f"test() returned {value:.4g} for {len(right)} images; in eval mode the model names {share:.3f} of them rightly"
    )
    return f"{got}. That is {found}." if found else f"{got}: does test() call model.eval(), and count all images?"
