"""One file that classifies pictures as they are: TorchScript with preprocessing, backbone and head inside.

    uint8 (N, 3, H, W) of any size -> (features float32 (N, D), logits or probabilities float32 (N, classes))

Class names, normalisation and the rest of the card lie in the file too; `load_exported` gives both back.
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

from mp09.errors import NetworkError
from mp09.files import atomic_write

if TYPE_CHECKING:  # whoever only loads a file need not wait for torchvision
    from mp09.nets.classifier import Classifier

CARD = "card.json"
TOLERANCE = 1e-3  # of a logit: the same operations, scheduled differently
TRACED, CHECKED = 4, 7  # pictures: another number than the network was traced with


@dataclass(frozen=True)
class Exported:
    """network: called with uint8 (N, 3, H, W); card: name, classes, preprocess, width, softmax."""

    network: torch.jit.ScriptModule
    card: dict[str, Any]


class _Pipeline(nn.Module):
    def __init__(self, preprocess: nn.Module, body: nn.Module, head: nn.Module, softmax: bool):
        super().__init__()
        self.preprocess, self.body, self.head = preprocess, body, head
        self.softmax = softmax

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(self.preprocess(images))
        scores = self.head(features)
        if scores.shape[1] == 1:  # a binary head: the logit of class 1, beside 0 for class 0
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
    """Make the file, compare it with the classifier on random pictures, and write it.

    Returns:
        the largest difference of a score.

    Raises:
        NetworkError: it can't be written, differs from the classifier, or the class names are too few or many.
    """
    classifier = copy.deepcopy(classifier).to(device).eval()
    size = classifier.preprocess.size
    pictures = torch.randint(256, (CHECKED, 3, size + 9, size + 5), dtype=torch.uint8, device=device)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is no longer developed; improv's pipelines load it
        ready = classifier.preprocess(pictures[:TRACED])
        features = classifier.body(ready)
        pipeline = _Pipeline(classifier.preprocess, classifier.body, classifier.head, softmax)
        _, expected = pipeline(pictures)
        if classes and len(classes) != expected.shape[1]:
            raise NetworkError(f"{len(classes)} class names for {expected.shape[1]} outputs.")
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
        _, scores = load_exported(content, device).network(pictures)
    difference = (scores - expected).abs().max().item()
    if not difference <= TOLERANCE:
        raise NetworkError(
            f"{path}: its scores would differ from the network's by {difference}; expected {TOLERANCE} at most. "
            "Nothing was written."
        )
    try:
        with atomic_write(path) as file:
            file.write(content.getbuffer())
    except OSError as error:
        raise NetworkError(f"{path}: could not be written ({error}).") from error
    return difference


def load_exported(path: Path | BinaryIO, device: torch.device | str = "cpu") -> Exported:
    """Raises NetworkError when it is missing or no file of `export`."""
    extra = {CARD: ""}
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("no TorchScript file")
        with zipfile.ZipFile(path) as archive:
            if not any(name.endswith(f"/extra/{CARD}") for name in archive.namelist()):
                raise ValueError(f"it holds no {CARD}")
            if damaged := archive.testzip():  # PyTorch does not compare the checksums
                raise ValueError(f"{damaged} in it is damaged")
        if not isinstance(path, (str, Path)):
            path.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = torch.jit.load(path, map_location=device, _extra_files=extra).eval()
        return Exported(network, json.loads(extra[CARD]))
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0]
        raise NetworkError(f"{path}: not a network exported by `python -m mp09 export` ({reason}).") from error
