"""Tests that plots show what they are given, and are written as PNG and SVG."""

import numpy as np
import pytest
from PIL import Image

from mp09.errors import TrainingError
from mp09.training import plots
from mp09.training.history import History
from selftests.training.test_history import ROW

CLASSES = ("cat", "dog", "owl")


def test_curves_have_the_numbers_of_the_history():
    figure = plots.curves(History([ROW, {**ROW, "epoch": 2, "valid_loss": 0.75}]))
    loss, accuracy, seconds = figure.axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[1.0, 1.0], [1.25, 0.75]]
    assert [line.get_label() for line in accuracy.lines] == ["train", "valid"]
    assert list(seconds.lines[0].get_ydata()) == [2.0, 2.0]


def test_a_confusion_matrix_counts():
    figure = plots.confusion_matrix(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), CLASSES)
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "1", "0", "0", "1", "0", "1", "0", "0"]
    assert figure.axes[0].get_title() == "4 images, accuracy 0.5000"


def test_many_classes_are_drawn_without_numbers():
    labels = np.arange(200)
    assert not plots.confusion_matrix(labels, labels, [str(n) for n in labels]).axes[0].texts


def test_the_surest_mistake_comes_first():
    images = np.zeros((3, 3, 8, 8), np.uint8)
    probabilities = np.array([[0.6, 0.4, 0.0], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]])
    figure = plots.mistakes(images, np.array([1, 1, 2]), probabilities, CLASSES)
    assert [axes.get_title() for axes in figure.axes[:3]] == [
        "dog,\ntaken for cat (90%)",
        "dog,\ntaken for cat (60%)",
        "",
    ]


def test_both_formats_are_written(tmp_path):
    paths = plots.save(plots.curves(History([ROW])), tmp_path / "new" / "curves")
    assert [path.name for path in paths] == ["curves.png", "curves.svg"]
    assert Image.open(paths[0]).size[0] > 1000
    assert "<svg" in paths[1].read_text()


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="could not be written"):
        plots.save(plots.curves(History([ROW])), tmp_path / "file" / "curves")
