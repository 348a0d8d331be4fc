"""Draws the curves, confusion matrix and most confident mistakes of a training run, and writes PNG and SVG files.

    save(curves(history, "AlexNet"), Path("run/curves"))    # writes run/curves.png and run/curves.svg

Each function but `save` returns a figure of Matplotlib and writes nothing. A notebook shows it.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mp09.errors import TrainingError
from mp09.files import atomic_write
from mp09.plot_text import plottable
from mp09.training.history import History

FORMATS = ("png", "svg")
TRAIN, VALID = "#1f77b4", "#d55e00"  # colours that colour-blind readers tell apart, too
CLASSES_WITH_NUMBERS = 20  # a confusion matrix of more classes has no room for numbers


def curves(history: History, title: str = "") -> Figure:
    """Plot loss, accuracy (0 to 1) and seconds of every epoch, for training and, where there was one, for validation.

    Args:
        history: As `fit` returns it, with one epoch at least.
        title: Stands above the plots; by default nothing does.

    Returns:
        The figure, with three plots beside each other.
    """
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    figure.suptitle(title)
    epochs = history.column("epoch")
    panels = figure.subplots(1, 3)
    for axes, name, label in zip(
        panels, ("loss", "accuracy", "seconds"), ("loss", "accuracy", "seconds an epoch"), strict=True
    ):
        if name == "seconds":
            axes.plot(epochs, history.column(name), color="black", marker="o", markersize=3)
            axes.set_ylim(bottom=0)
        else:
            for split, colour, style in (("train", TRAIN, "--"), ("valid", VALID, "-")):
                if f"{split}_{name}" in history[0]:
                    axes.plot(
                        epochs,
                        history.column(f"{split}_{name}"),
                        style,
                        color=colour,
                        marker="o",
                        markersize=3,
                        label=split,
                    )
            axes.legend()
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    return figure


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw how often each true class (row) was taken for each class (column).

    Colours are shares of the row. The numbers are written on them for up to 20 classes.

    Args:
        labels: The true classes, int (N,), as indices into `classes`.
        predicted: The predicted classes, int (N,), likewise.
        classes: The class names.

    Returns:
        The figure, whose title says the number of images and the accuracy, 0 to 1.
    """
    count = len(classes)
    table = np.zeros((count, count), int)
    np.add.at(table, (labels, predicted), 1)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = min(4 + 0.45 * count, 14)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    if count <= CLASSES_WITH_NUMBERS:
        names = [plottable(name) for name in classes]
        axes.set_xticks(range(count), names, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(range(count), names, parse_math=False)
        for row, column in np.ndindex(count, count):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(table[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    accuracy = np.trace(table) / max(table.sum(), 1)
    axes.set_title(f"{table.sum()} images, accuracy {accuracy:.4f}")
    return figure


def mistakes(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], count: int = 12
) -> Figure:
    """Show the images that the model took for another class with the highest probability, the surest first.

    Args:
        images: uint8 (N, 3, H, W), values 0 to 255.
        labels: The true classes, int (N,), as indices into `classes`.
        probabilities: What the model gives each class, float (N, classes), 0 to 1.
        classes: The class names.
        count: How many images are shown at most, by default 12.

    Returns:
        The figure, six images in a row. Above each stand its true class, the one it was taken for, and the probability
        of that. Where nothing is wrong, no image is shown.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:count]
    columns = 6
    rows = max(1, -(-len(worst) // columns))
    figure = Figure(figsize=(2 * columns, 2.5 * rows), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.axis("off")
    for axes, index in zip(panels, worst, strict=False):
        axes.imshow(images[index].transpose(1, 2, 0))
        guess = predicted[index]
        words = f"{classes[labels[index]]},\ntaken for {classes[guess]} ({probabilities[index, guess]:.0%})"
        axes.set_title(plottable(words), fontsize=9, parse_math=False)
    figure.suptitle(f"{len(wrong)} of {len(labels)} wrong" + (", the surest first" if len(wrong) else ""))
    return figure


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG and as SVG.

    Args:
        figure: The figure.
        path: The path of the files. A suffix is replaced by .png and .svg, and folders that are missing are made.

    Returns:
        The paths of both files.

    Raises:
        TrainingError: A file can't be written.
    """
    written = []
    for kind in FORMATS:
        content = io.BytesIO()
        figure.savefig(content, format=kind, dpi=120)
        target = Path(path).with_suffix(f".{kind}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as file:
                file.write(content.getvalue())
        except OSError as error:
            raise TrainingError(f"{target}: could not be written ({error}).") from error
        written.append(target)
    return written
