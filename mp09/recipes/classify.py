"""`python -m mp09 classify`: what a network sees on a camera, in a video or on pictures."""

import copy
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mp09.data.tiny_imagenet import read_class_names
from mp09.device import choose_device, fast_dtype
from mp09.features.forms import fast_form
from mp09.inference.frames import Pictures, Source
from mp09.inference.outputs import Panels, StopWatchingError, VideoFile, Window
from mp09.inference.predictor import TOP, Predictor, Probabilities
from mp09.inference.results import Result, results
from mp09.nets.classifier import Classifier, own_head
from mp09.nets.export import load_exported
from mp09.recipes.train import load_trained
from mp09.training.optim import class_logits


def predictor(
    *,
    network: str = "resnet18-32",
    weights: str = "default",
    model: Path | None = None,
    classes: Path | None = None,
    top: int = TOP,
    device: str = "auto",
) -> Predictor:
    """A network ready to classify frames.

    model: a folder that `train` wrote or a file that `export` wrote, instead of network and weights.
    classes: a text file with the name of each output, for weights that don't know them; wnids have their words' names.
    Raises NetworkError, TrainingError, DataError, DeviceError.
    """
    place = choose_device(device)
    if model and Path(model).is_file():
        exported = load_exported(model, place)
        names, probabilities = exported.card["classes"], _of_exported(exported)
    elif model:
        trained, card = load_trained(model)
        names, probabilities = card["classes"], _of_classifier(trained, place)
    else:
        published, names = own_head(network, weights)
        probabilities = _of_classifier(published, place)
    if classes:
        names = read_class_names(classes)
    return Predictor(probabilities, names, device=place, top=top)


def _of_classifier(model: Classifier, device: torch.device) -> Probabilities:
    dtype = fast_dtype(device)
    body = fast_form(model.body, dtype).to(device)
    preprocess = copy.deepcopy(model.preprocess).to(device)
    head = copy.deepcopy(model.head).to(device).eval()

    def probabilities(images: Tensor) -> Tensor:
        x = preprocess(images).to(dtype, memory_format=torch.channels_last)
        return class_logits(head(body(x).float())).softmax(dim=1)

    return probabilities


def _of_exported(exported) -> Probabilities:
    def probabilities(images: Tensor) -> Tensor:
        _, scores = exported.network(images)
        return scores if exported.card["softmax"] else scores.softmax(dim=1)

    return probabilities


@dataclass(frozen=True)
class Classified:
    """frames: how many, of how many that came (`dropped` ones included), in so many seconds."""

    frames: int
    dropped: int
    seconds: float


def classify(
    source: Source,
    predict: Predictor,
    *,
    out: Path | None = None,
    show: bool = False,
    frames: int | None = None,
    each: Callable[[Result], None],
) -> Classified:
    """Hand every result to `each`, and to a file and a window where asked; ends after so many frames, or on q.

    out: for a video or camera an annotated video, for pictures their panels.
    Raises FrameError, DataError.
    """
    pictures = isinstance(source, Pictures)
    takers = [each]
    count, came, started = 0, 0, time.monotonic()
    with ExitStack() as outputs:
        if show:
            takers.append(outputs.enter_context(Window(source.name, wait_ms=0 if pictures else 1)))
        if out:
            file = Panels(out, several=len(source.files) > 1) if pictures else VideoFile(out, source.rate)
            takers.append(outputs.enter_context(file))
        try:
            for result in outputs.enter_context(closing(results(source, predict))):
                count, came = count + 1, result.frame.number + 1
                for taker in takers:
                    taker(result)
                if count == frames:
                    break
        except StopWatchingError:
            pass
    return Classified(count, came - count if source.live else 0, time.monotonic() - started)
