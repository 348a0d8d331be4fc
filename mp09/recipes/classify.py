"""Says what is on the frames of a camera or a video, or on images; this is the work of `python -m mp09 classify`."""

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
from mp09.features.forms import form_of
from mp09.inference.frames import FrameSource, ImageFiles
from mp09.inference.outputs import Panels, StopWatchingError, VideoFile, Window
from mp09.inference.predictor import TOP, Predictor, Probabilities
from mp09.inference.results import Result, results
from mp09.nets.classifier import Classifier, own_head
from mp09.nets.export import Exported, load_exported
from mp09.precision import BFLOAT16, FLOAT32
from mp09.recipes.train import load_trained
from mp09.training.optim import class_logits


def predictor(
    *,
    model: str = "resnet18-32",
    weights: str = "default",
    checkpoint: Path | None = None,
    classes: Path | None = None,
    top: int = TOP,
    device: str = "auto",
) -> Predictor:
    """Return a model that is ready to classify frames.

    Args:
        model, weights: A published model, with its own head.
        checkpoint: A folder that `train` wrote, or a file that `export` wrote, instead of those.
        classes: A text file with the name of each output, for weights that don't know them. WordNet numbers in it are
            replaced by their words.
        top: How many of the likeliest classes a prediction names, by default 5.
        device: "auto" for the fastest one, "cpu", "cuda" or "mps".

    Returns:
        A function of an image uint8 (H, W, 3), planes R, G, B, which returns a `Prediction`: the likeliest classes in
        `top`, each with index, label and probability (0 to 1), and `latency_ms`, milliseconds from image to answer.

    Raises:
        ModelError: There is no such model, its weights don't fit, its head is not one linear layer, or `checkpoint`
            is neither a run nor an exported model.
        TrainingError: The checkpoint of the run is damaged.
        DataError: `classes` can't be read.
        DeviceError: There is no such device.
    """
    torch_device = choose_device(device)
    if checkpoint and Path(checkpoint).is_file():
        exported = load_exported(checkpoint, torch_device)
        names, probabilities = exported.card["classes"], _of_exported(exported)
    elif checkpoint:
        trained, card = load_trained(checkpoint)
        names, probabilities = card["classes"], _of_classifier(trained, torch_device)
    else:
        published, names = own_head(model, weights)
        probabilities = _of_classifier(published, torch_device)
    if classes:
        names = read_class_names(classes)
    return Predictor(probabilities, names, device=torch_device, top=top)


def _of_classifier(model: Classifier, device: torch.device) -> Probabilities:
    """Return a function that computes probabilities with the fastest form of the model's body."""
    precision = BFLOAT16 if fast_dtype(device) == torch.bfloat16 else FLOAT32
    size = model.preprocess.size
    body = form_of(model.body, torch.zeros(2, 3, size, size), precision, device)
    preprocess = copy.deepcopy(model.preprocess).to(device)
    head = copy.deepcopy(model.head).to(device).eval()

    def probabilities(images: Tensor) -> Tensor:
        with body.beside():
            return class_logits(head(body(preprocess(images)))).softmax(dim=1)

    return probabilities


def _of_exported(exported: Exported) -> Probabilities:
    def probabilities(images: Tensor) -> Tensor:
        _, scores = exported.model(images)
        return scores if exported.card["softmax"] else scores.softmax(dim=1)

    return probabilities


@dataclass(frozen=True)
class Classified:
    """Says what `classify` did.

    Attributes:
        frames: The number of frames classified.
        dropped: The number of other frames that a live source gave until then; 0 for sources that are not live.
        seconds: How long it took.
    """

    frames: int
    dropped: int
    seconds: float


def classify(
    source: FrameSource,
    predict: Predictor,
    *,
    out: Path | None = None,
    show: bool = False,
    frames: int | None = None,
    each: Callable[[Result], None],
) -> Classified:
    """Classify the frames of a source, and hand every result to `each`, and to a file and a window where asked.

    Args:
        source: The frames.
        predict: The model.
        out: For a video or a camera, the file of an annotated video; for one image, the file of its panel, and for
            several, the folder of their panels. None writes nothing.
        show: Whether to open a window, which ends it all when q is pressed or the window is closed.
        frames: The number of frames after which to stop; None goes on until the source ends.
        each: Is called with every result: its `frame`, its `prediction`, and `annotated`, which is the frame with the
            prediction written over it, uint8 (H, W, 3).

    Returns:
        How many frames were classified, how many others a live source dropped, and the seconds that it took.

    Raises:
        FrameError: The source gives nothing to classify, there is no screen for a window, or `out` can't be written.
        DataError: The only image can't be read.
        ModelError: The model has more or fewer outputs than there are class names.
    """
    takers = [each]
    count, came, started = 0, 0, time.monotonic()
    with ExitStack() as outputs:
        if show:
            wait_ms = 0 if isinstance(source, ImageFiles) else 1
            takers.append(outputs.enter_context(Window(source.name, wait_ms=wait_ms)))
        if out and isinstance(source, ImageFiles):
            takers.append(outputs.enter_context(Panels(out, several=len(source.files) > 1)))
        elif out:
            takers.append(outputs.enter_context(VideoFile(out, source.rate)))
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
