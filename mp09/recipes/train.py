"""Trains a head on a frozen backbone, or the backbone's last blocks too, and judges the result.

This is the work of `python -m mp09 train`.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mp09.data.archives import Progress
from mp09.data.imageset import ImageSet
from mp09.device import choose_device, int8_is_faster
from mp09.errors import ModelError, TrainingError
from mp09.features.cache import digest_model
from mp09.features.extract import ExtractOptions
from mp09.features.forms import engine
from mp09.features.heads import probabilities_of, train_head
from mp09.nets.backbones import Backbone, backbone, unfilled_backbone
from mp09.nets.classifier import Classifier, make_head
from mp09.precision import AUTO
from mp09.recipes.datasets import Data, digest, loader
from mp09.recipes.feature_sets import calibration_of, features_of
from mp09.recipes.input_options import InputOptions
from mp09.recipes.labelled import Images
from mp09.recipes.model_options import ModelOptions
from mp09.recipes.progress import Say, no_progress, of_epochs, silent
from mp09.training import checkpoint, parallel, plots
from mp09.training.augment import AUGMENTATIONS
from mp09.training.fit import fit
from mp09.training.history import History
from mp09.training.options import FitOptions

HEAD, WHOLE = "head", "whole model"  # what a checkpoint holds
OLDER_WORDS = {"model": "network", WHOLE: "whole network"}  # what the cards of older runs say
TODAYS_WORDS = {older: word for word, older in OLDER_WORDS.items()}


@dataclass(frozen=True)
class Trained:
    """What `train` gives back.

    Attributes:
        history: One record for each epoch.
        before: How many of these epochs were already there.
        model: The model with the best epoch's weights.
        accuracy: On the test images, or on the validation images where there are none; 0 to 1.
        judged_on: Which of the two, "test" or "validation".
    """

    history: History
    before: int
    model: Classifier
    accuracy: float
    judged_on: str


def train(
    data: Data,
    model: ModelOptions,
    options: FitOptions = FitOptions(),
    inputs: InputOptions = InputOptions(),
    *,
    out: Path,
    cache: Path | None = None,
    progress: Progress = no_progress,
    say: Say = silent,
) -> Trained:
    """Train a model, write checkpoints and plots, and judge the best epoch. Run again, it continues.

    With the whole backbone frozen and no random augmentation, its features are computed once and kept in `cache`.

    Args:
        data: The images.
        model: Which model, and how much of it learns.
        options: How it is trained.
        inputs: How images reach it.
        out: The folder for checkpoints and plots.
        cache: The folder for features; None, the default, keeps none.
        progress: Is told how far features and training are.
        say: Is called with lines of text.

    Returns:
        The history, how many of its epochs were there before, the model with the best epoch's weights, and its
        accuracy, 0 to 1, on the test images, or on the validation images where there are none. See `Trained`.

    Raises:
        DataError: An image can't be read.
        ModelError: There is no such model, there are no such weights, they don't fit, or there are fewer blocks.
        FeatureError: The precision is not possible here, or the cache is damaged or can't be written.
        TrainingError: Options are wrong, a loss is not a number, or `out` holds another run or can't be written.
        DeviceError: There is no such device.
    """
    on_features = model.learn == 0 and inputs.augment == "none"
    device = parallel.local_device(choose_device(options.device))
    _make_folder(out)
    inputs.check(on_features, options.precision)
    say(f"{data.name}: {len(data.train)} images to train on, {len(data.classes)} classes")
    torch.manual_seed(options.seed)
    base = backbone(model.name, model.weights)
    head = make_head(base.width, len(data.classes), hidden=model.hidden, dropout=model.dropout)
    whole = Classifier(base, head, learn=model.learn)
    before = checkpoint.load(out)
    card = _card(data, model, base, inputs.batch_size, HEAD if on_features else WHOLE)
    if before and OLDER_WORDS["model"] in before.card:  # a run goes on with the card that it began with
        card = _reworded(card, OLDER_WORDS)
    watch = of_epochs(progress, say, options.epochs)
    with parallel.processes(device) as (rank, size):
        shared = Path(out) / "features" if size > 1 else None  # where processes find what the first one computed
        extraction = ExtractOptions(options.device, options.precision, cache or shared)
        calibration = calibration_of(base, data.train, extraction)
        features = partial(features_of, base, seed=options.seed, calibration=calibration, progress=progress)
        run: dict[str, Any] = {"folder": out, "card": card, "watch": watch}
        if on_features:
            _say_how(say, options)
            with parallel.first_alone(rank, size):
                train_set = features(data.train, "train", extraction, views=inputs.views)
                valid_set = features(data.valid, "valid", extraction)
            card["features"] = [train_set.key, valid_set.key]
            sizes: dict[str, Any] = {"batch_size": inputs.batch_size, "valid_batch_size": inputs.valid_batch_size}
            history = train_head(head, train_set, valid_set, options, **sizes, **run)
        else:
            card["images"] = [digest(data.train), digest(data.valid)]
            batches = loader(data.train, base.preprocess, inputs.batch_size, shuffle=True)
            valid_batches = loader(data.valid, base.preprocess, inputs.valid_batch_size)
            history = fit(whole, batches, valid_batches, options, augment=AUGMENTATIONS[inputs.augment], **run)
            extraction = replace(extraction, cache=None)  # once the backbone learns, its features are of no use later
        checkpoint.load_model(out, head if on_features else whole, "best")
        judged_on, judged = ("test", data.test) if data.test is not None else ("validation", data.valid)
        right = 0.0
        if rank == 0:  # the others learn what it found
            found = features(judged, judged_on, extraction)
            probabilities = probabilities_of(head, found)
            draw(out, history, judged, found.labels, probabilities, data)
            right = float((probabilities.argmax(axis=1) == found.labels).mean())
        right = parallel.totals([right], device)[0] if size > 1 else right
    return Trained(history, before.epoch if before else 0, whole, right, judged_on)


def _say_how(say: Say, options: FitOptions) -> None:
    say("The backbone is frozen and nothing is augmented at random: its features are computed once.")
    device = choose_device(options.device)
    if options.precision == AUTO and engine(device) and int8_is_faster(device):
        say("On this processor --precision int8 computes them several times as fast, a little coarser.")


def _make_folder(out: Path) -> None:
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out}: the run can't be written there ({error}).") from error


def _card(data: Data, model: ModelOptions, base: Backbone, batch_size: int, holds: str) -> dict[str, Any]:
    """Return what a checkpoint says of itself; a run continues only with the same."""
    return {
        "model": model.name,
        "weights": _lasting(model.weights),
        "backbone": digest_model(base.body),
        "hidden": list(model.hidden),
        "dropout": model.dropout,
        "learn": model.learn,
        "holds": holds,
        "classes": list(data.classes),
        "data": data.name,
        "batch_size": batch_size,
    }


def _reworded(card: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    """Return a card with other words for its names and for what it holds."""
    return {words.get(key, key): words.get(value, value) if key == "holds" else value for key, value in card.items()}


def _lasting(weights: str) -> str:
    """Return a file's full path, since a later command may run in another folder."""
    return str(Path(weights).resolve()) if Path(weights).is_file() else weights


def draw(
    out: Path, history: History, judged: Images, labels: np.ndarray, probabilities: np.ndarray, data: Data
) -> list[Path]:
    """Draw curves and confusion matrix, and the surest mistakes where the images are in memory; return the files."""
    figures = {
        "curves": plots.curves(history, data.name),
        "confusion": plots.confusion_matrix(labels, probabilities.argmax(axis=1), data.classes),
    }
    if isinstance(judged, ImageSet):
        figures["mistakes"] = plots.mistakes(judged.images, labels, probabilities, data.classes)
    return [path for name, figure in figures.items() for path in plots.save(figure, out / name)]


def load_trained(folder: Path) -> tuple[Classifier, dict[str, Any]]:
    """Load the model of a run of `train`, with the weights of its best epoch.

    Args:
        folder: The folder that `train` wrote.

    Returns:
        The model on the CPU and in eval mode, and the run's card: plain values such as its class names, "classes".

    Raises:
        TrainingError: The checkpoint is damaged.
        ModelError: `train` did not write this folder; or the run holds the head alone, and the backbone's file is
            missing or has other weights.
    """
    state = checkpoint.load(folder)
    card = _reworded(state.card, TODAYS_WORDS) if state else {}
    if state is None or not {"model", "weights", "hidden", "holds", "classes"} <= card.keys():
        raise ModelError(f"{folder}: expected a folder that `python -m mp09 train` wrote.")
    tensors = checkpoint.read_tensors(folder, state, "best")
    with torch.random.fork_rng():
        torch.manual_seed(state.settings["seed"])  # so that random weights ("none") are the same again
        if card["holds"] == HEAD:
            base = backbone(card["model"], card["weights"])
        else:  # the checkpoint has all weights
            base = unfilled_backbone(card["model"], card["weights"], checkpoint.weights_of(tensors, "body."))
    if card["holds"] == HEAD and card["backbone"] != digest_model(base.body):
        raise ModelError(f"{folder}: the head was trained on other weights than {base.weights} holds now.")
    head = make_head(base.width, len(card["classes"]), hidden=card["hidden"], dropout=card["dropout"])
    model = Classifier(base, head, learn=card["learn"])
    checkpoint.put_weights(head if card["holds"] == HEAD else model, tensors, folder)
    return model.eval(), card
