"""Shows an image beside the classes that a model predicts for it."""

from textwrap import fill

import numpy as np
from matplotlib.figure import Figure

from mp09.inference.predictor import Prediction
from mp09.plot_text import plottable

WIDTH = 40  # letters in a line


def panel(image: np.ndarray, prediction: Prediction, title: str) -> Figure:
    """Return a figure with the likeliest classes on the left and the image, uint8 (H, W, 3), in its proportions."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.axis("off")
    lines = [fill(plottable(line), WIDTH, subsequent_indent="    ") for line in top_lines(prediction)]
    text = left.text(0.04, 0.5, "\n".join(lines), va="center", fontsize=14, linespacing=1.6, parse_math=False)
    text.set_in_layout(False)  # so that long names don't make the image small
    right.imshow(image)
    right.set_title(fill(plottable(title), WIDTH), parse_math=False)
    return figure


def top_lines(prediction: Prediction) -> list[str]:
    """Return the likeliest classes as lines such as "1 goldfish: 88.4%"."""
    return [f"{guess.index} {guess.label}: {guess.probability:.1%}" for guess in prediction.top]
