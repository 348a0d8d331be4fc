"""Tests that plots show names of every alphabet, and never boxes."""

import warnings

import numpy as np
import pytest

from mp09.plot_text import plottable
from mp09.training.plots import confusion_matrix, mistakes

NAMES = ("café", "猫", "🐱", "собака", "σκύλος", "$x_1$")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tabby cat", "tabby cat"),
        ("café\nnoir", "café\nnoir"),
        ("cafe\u0301", "café"),
        ("собака", "собака"),
        ("猫", "U+732B"),
        ("🫠", "(melting face)"),
        ("ねこ", "U+306DU+3053"),
        ("می\u200cخواهم", "میخواهم"),
        ("\x1b", "U+001B"),
        ("\ud800", "U+D800"),
    ],
)
def test_what_the_font_lacks_is_spelt(text, shown):
    assert plottable(text) == shown


def test_plots_of_such_names_have_no_missing_glyphs(tmp_path):
    labels = np.arange(len(NAMES))
    probabilities = np.roll(np.eye(len(NAMES)), 1, axis=1)
    images = np.zeros((len(NAMES), 3, 8, 8), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        confusion_matrix(labels, labels, NAMES).savefig(tmp_path / "a.png")
        mistakes(images, labels, probabilities, NAMES).savefig(tmp_path / "b.png")
