"""`python -m mp09 train`: a head on a frozen backbone, or the backbone's last blocks too, and what came of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mp09.data.imageset import ImageSet
from mp09.device import choose_device, int8_is_faster
from mp09.errors import NetworkError, TrainingError
from mp09.features.cache import digest_network
from mp09.features.heads import probabilities_of, train_head
from mp09.nets.backbones import Backbone, backbone
from mp09.nets.classifier import Classifier, make_head
from mp09.recipes.features import features_of
from mp09.recipes.pictures import Data, Pictures, digest, loader
from mp09.recipes.progress import Progress, Say, no_progress, of_epochs, silent
from mp09.training import checkpoint, plots
from mp09.training.augment import AUGMENTATIONS
from mp09.training.fit import fit
from mp09.training.history import History

HEAD, WHOLE = "head", "whole network"  # what a checkpoint holds


@dataclass(frozen=True)
class Network:
    """Which network: names as `nets.backbone` takes them, hidden layers of the head, and the blocks that learn."""

    name: str = "resnet18-32"
    weights: str = "default"
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    learn: int | str = 0


@dataclass(frozen=True)
class Trained:
    """model: with the best epoch's weights; accuracy: on the test pictures, or the validation ones where none are.

    before: epochs that were already there.
    """

    history: History
    before: int
    model: Classifier
    accuracy: float
    judged_on: str


def train(
    data: Data,
    network: Network,
    *,
    out: Path,
    epochs: int = 10,
    batch_size: int = 64,
    valid_batch_size: int = 256,
    optimizer: str = "adamw",
    lr: float = 1e-3,
    weight_decay: float = 0.01,
    schedule: str = "one-cycle",
    label_smoothing: float = 0.0,
    augment: str = "none",
    views: int = 1,
    patience: int | None = None,
    precision: str = "auto",
    device: str = "auto",
    seed: int = 0,
    cache: Path | None = None,
    progress: Progress = no_progress,
    say: Say = silent,
) -> Trained:
    """Train, write checkpoints and plots into `out`, and judge the best epoch. Run again, it goes on.

    With the whole backbone frozen and no random augmentation its features are computed once. Arguments as `fit`.
    Raises DataError, NetworkError, FeatureError, TrainingError, DeviceError.
    """
    on_features = network.learn == 0 and augment == "none"
    choose_device(device)
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out}: the run can't be written there ({error}).") from error
    if min(batch_size, valid_batch_size) < 1:
        raise TrainingError(f"batch sizes: expected 1 or more, got {batch_size} and {valid_batch_size}.")
    if views > 1 and not on_features:
        raise TrainingError(f"views: {views} of each picture need a frozen backbone and augment none.")
    say(f"{data.name}: {len(data.train)} pictures to train on, {len(data.classes)} classes")
    torch.manual_seed(seed)
    base = backbone(network.name, network.weights)
    head = make_head(base.width, len(data.classes), hidden=network.hidden, dropout=network.dropout)
    before = checkpoint.load(out)
    card = {
        "network": network.name,
        "weights": _lasting(network.weights),
        "backbone": digest_network(base.body),
        "hidden": list(network.hidden),
        "dropout": network.dropout,
        "learn": network.learn,
        "holds": HEAD if on_features else WHOLE,
        "classes": list(data.classes),
        "data": data.name,
        "batch_size": batch_size,
    }
    how = {
        "epochs": epochs,
        "optimizer": optimizer,
        "lr": lr,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "label_smoothing": label_smoothing,
        "patience": patience,
        "seed": seed,
        "device": device,
        "folder": out,
        "card": card,
        "watch": of_epochs(progress, say, epochs),
    }
    where = {"device": device, "precision": precision, "cache": cache, "progress": progress}
    model = Classifier(base, head, learn=network.learn)
    if on_features:
        say("The backbone is frozen and nothing is augmented at random: its features are computed once.")
        if precision == "auto" and int8_is_faster(choose_device(device)):
            say("On this processor --precision int8 computes them several times as fast, a little coarser.")
        found = features_of(base, data.train, "train", views=views, **where)
        valid = features_of(base, data.valid, "valid", **where)
        card["features"] = [found.key, valid.key]
        history = train_head(head, found, valid, batch_size=batch_size, valid_batch_size=valid_batch_size, **how)
        checkpoint.load_model(out, head, "best")
    else:
        card["pictures"] = [digest(data.train), digest(data.valid)]
        history = fit(
            model,
            loader(data.train, base.preprocess, batch_size, shuffle=True),
            loader(data.valid, base.preprocess, valid_batch_size),
            augment=AUGMENTATIONS[augment],
            precision=precision,
            **how,
        )
        checkpoint.load_model(out, model, "best")
    judged_on, judged = ("test", data.test) if data.test is not None else ("validation", data.valid)
    if not on_features:
        where["cache"] = None  # these weights are used once
    found = features_of(base, judged, judged_on, **where)
    probabilities = probabilities_of(head, found)
    draw(out, history, judged, found.labels, probabilities, data)
    right = float((probabilities.argmax(axis=1) == found.labels).mean())
    return Trained(history, before.epoch if before else 0, model, right, judged_on)


def _lasting(weights: str) -> str:
    """A file is remembered by its full path, as a later command may run in another folder."""
    return str(Path(weights).resolve()) if Path(weights).is_file() else weights


def draw(
    out: Path, history: History, judged: Pictures, labels: np.ndarray, probabilities: np.ndarray, data: Data
) -> list[Path]:
    """Curves, confusion matrix, and the surest mistakes where the pictures lie in memory."""
    figures = {
        "curves": plots.curves(history, data.name),
        "confusion": plots.confusion_matrix(labels, probabilities.argmax(axis=1), data.classes),
    }
    if isinstance(judged, ImageSet):
        figures["mistakes"] = plots.mistakes(judged.images, labels, probabilities, data.classes)
    return [path for name, figure in figures.items() for path in plots.save(figure, out / name)]


def load_trained(folder: Path) -> tuple[Classifier, dict]:
    """The network of a checkpoint that `train` wrote, with its best weights, and the checkpoint's card.

    Raises TrainingError and NetworkError when the checkpoint is damaged or of something else.
    """
    state = checkpoint.load(folder)
    card = state.card if state else {}
    if not {"network", "weights", "hidden", "holds", "classes"} <= card.keys():
        raise NetworkError(f"{folder}: expected a folder that `python -m mp09 train` wrote.")
    with torch.random.fork_rng():
        torch.manual_seed(state.settings["seed"])  # of weights "none"
        base: Backbone = backbone(card["network"], card["weights"])
    if card["holds"] == HEAD and card["backbone"] != digest_network(base.body):
        raise NetworkError(f"{folder}: the head was trained on other weights than {base.weights} holds now.")
    head: nn.Module = make_head(base.width, len(card["classes"]), hidden=card["hidden"], dropout=card["dropout"])
    model = Classifier(base, head, learn=card["learn"])
    checkpoint.load_model(folder, head if card["holds"] == HEAD else model, "best")
    return model.eval(), card
