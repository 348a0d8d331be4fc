"""Exports a model as one file that classifies images as they are: TorchScript with preprocessing, backbone and head.

    uint8 (N, 3, H, W) of any size -> (features float32 (N, D), logits or probabilities float32 (N, classes))

The file also holds a card with class names, normalisation and more; `load_exported` returns both.
"""

import copy
import io
import json
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from torch import Tensor, nn

from mp09.errors import ModelError
from mp09.files import atomic_write

if TYPE_CHECKING:  # so that loading an exported model does not wait for torchvision
    from mp09.nets.classifier import Classifier

CARD = "card.json"
TOLERANCE = 1e-3  # by which a score may differ: the operations are the same, but scheduled differently
TRACED, CHECKED = 4, 7  # images: a batch size that the trace has fixed shows in the check


@dataclass(frozen=True)
class Exported:
    """An exported model, as it is loaded from its file.

    Attributes:
        model: call it with uint8 (N, 3, H, W), values 0 to 255.
        card: a dict with name, classes, preprocess, width (the number of features) and softmax (whether the scores are
            probabilities).
    """

    model: torch.jit.ScriptModule
    card: dict[str, Any]


class _Pipeline(nn.Module):
    def __init__(self, preprocess: nn.Module, body: nn.Module, head: nn.Module, softmax: bool):
        super().__init__()
        self.preprocess, self.body, self.head = preprocess, body, head
        self.softmax = softmax

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(self.preprocess(images))
        scores = self.head(features)
        if scores.shape[1] == 1:  # a binary head gives the logit of class 1; class 0 gets the logit 0
            scores = torch.cat([torch.zeros_like(scores), scores], dim=1)
        return features, scores.softmax(dim=1) if self.softmax else scores


def export(
    classifier: "Classifier",
    path: Path,
    *,
    name: str,
    classes: Sequence[str] = (),
    softmax: bool = False,
    device: torch.device | str = "cpu",
) -> float:
    """Export a classifier, compare the result with it on random images, and write the file.

    Args:
        classifier: stays as it is.
        path: the file.
        name: goes into the card.
        classes: the names of the outputs, two for a binary head; none when they are not known.
        softmax: whether the exported model gives probabilities in place of logits.
        device: where the model is traced and compared.

    Returns:
        the largest difference between a score of the exported model and that of the classifier.

    Raises:
        ModelError: a score differs by more than 0.001, there are too few or too many class names, or the file can't
            be written.
    """
    classifier = copy.deepcopy(classifier).to(device).eval()
    size = classifier.preprocess.size
    images = torch.randint(256, (CHECKED, 3, size + 9, size + 5), dtype=torch.uint8, device=device)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, but improv's pipelines load it
        ready = classifier.preprocess(images[:TRACED])
        features = classifier.body(ready)
        pipeline = _Pipeline(classifier.preprocess, classifier.body, classifier.head, softmax)
        _, expected = pipeline(images)
        if classes and len(classes) != expected.shape[1]:
            raise ModelError(f"{len(classes)} class names for {expected.shape[1]} outputs.")
        pipeline = _Pipeline(
            torch.jit.script(classifier.preprocess),
            torch.jit.trace(classifier.body, ready, check_trace=False),
            torch.jit.trace(classifier.head, features, check_trace=False),
            softmax,
        )
        script = torch.jit.freeze(torch.jit.script(pipeline.eval()))
        card = {
            "name": name,
            "classes": list(classes),
            "preprocess": classifier.preprocess.describe(),
            "width": features.shape[1],
            "softmax": softmax,
        }
        content = io.BytesIO()
        torch.jit.save(script, content, _extra_files={CARD: json.dumps(card, ensure_ascii=False)})
        _, scores = load_exported(content, device).model(images)
    difference = (scores - expected).abs().max().item()
    if not difference <= TOLERANCE:
        raise ModelError(
            f"{path}: its scores would differ from the model's by {difference}; expected {TOLERANCE} at most. "
            "Nothing was written."
        )
    try:
        with atomic_write(path) as file:
            file.write(content.getbuffer())
    except OSError as error:
        raise ModelError(f"{path}: could not be written ({error}).") from error
    return difference


def load_exported(path: Path | BinaryIO, device: torch.device | str = "cpu") -> Exported:
    """Load an exported model.

    Args:
        path: The file, or its content.
        device: Where the model runs, such as "cpu" or "cuda"; it must be the kind for which it was exported.

    Returns:
        The model as `model`, which maps uint8 (N, 3, H, W), values 0 to 255, to features (N, width) and scores
        (N, classes), and its `card` with class names and more.

    Raises:
        ModelError: The file is missing, damaged, or not one that `export` wrote.
    """
    extra = {CARD: ""}
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("no TorchScript file")
        with zipfile.ZipFile(path) as archive:
            if not any(name.endswith(f"/extra/{CARD}") for name in archive.namelist()):
                raise ValueError(f"it holds no {CARD}")
            if damaged := archive.testzip():  # PyTorch itself does not compare the checksums
                raise ValueError(f"{damaged} in it is damaged")
        if not isinstance(path, (str, Path)):
            path.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = torch.jit.load(path, map_location=device, _extra_files=extra).eval()
        return Exported(model, json.loads(extra[CARD]))
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{path}: not a model exported by `python -m mp09 export` ({reason}).") from error
