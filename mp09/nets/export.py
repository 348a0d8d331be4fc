"""One file that classifies pictures as they are: TorchScript with preprocessing, backbone and head inside.

    uint8 (N, 3, H, W) of any size -> (features float32 (N, D), logits or probabilities float32 (N, classes))

Class names, normalisation and the rest of the card lie in the file too; `load_exported` gives both back.
"""

import json
import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mp09.errors import NetworkError
from mp09.files import atomic_write
from mp09.nets.classifier import Classifier

CARD = "card.json"
TOLERANCE = 1e-3  # of a logit: the same operations, scheduled differently
CHECKED = 4  # pictures


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
        return features, scores.softmax(dim=1) if self.softmax else scores


def export(
    classifier: Classifier,
    path: Path,
    *,
    name: str,
    classes: Sequence[str] = (),
    softmax: bool = False,
    device: torch.device | str = "cpu",
) -> float:
    """Write the file, load it again, and compare it with the classifier on random pictures.

    Returns:
        the largest difference of a score.

    Raises:
        NetworkError: it can't be written, differs from the classifier, or the class names are too few or many.
    """
    classifier = classifier.to(device).eval()
    size = classifier.preprocess.size
    pictures = torch.randint(256, (CHECKED, 3, size + 9, size + 5), dtype=torch.uint8, device=device)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is no longer developed; improv's pipelines load it
        ready = classifier.preprocess(pictures)
        features = classifier.body(ready)
        expected = classifier.head(features)
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
        try:
            with atomic_write(path) as file:
                torch.jit.save(script, file, _extra_files={CARD: json.dumps(card, ensure_ascii=False)})
        except OSError as error:
            raise NetworkError(f"{path}: could not be written ({error}).") from error
        if softmax:
            expected = expected.softmax(dim=1)
        _, scores = load_exported(path, device).network(pictures)
    difference = (scores - expected).abs().max().item()
    if not difference <= TOLERANCE:
        raise NetworkError(
            f"{path}: its scores differ from the network's by {difference}; expected {TOLERANCE} at most."
        )
    return difference


def load_exported(path: Path, device: torch.device | str = "cpu") -> Exported:
    """Raises NetworkError when it is missing or no file of `export`."""
    extra = {CARD: ""}
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("no TorchScript file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = torch.jit.load(path, map_location=device, _extra_files=extra).eval()
        return Exported(network, json.loads(extra[CARD]))
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise NetworkError(f"{path}: not a network exported by `python -m mp09 export` ({reason}).") from error
