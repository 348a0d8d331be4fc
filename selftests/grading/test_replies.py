"""Test what a worker may answer."""

import numpy as np
import pytest

from mp09.errors import ProtocolError
from mp09.grading.replies import Raised, checked, readable
from mp09.grading.sandbox.protocol import Message


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        ("length", {}),
        ("length", {"length": 3, "score": 15}),
        ("length", {"length": "3"}),
        ("length", {"length": True}),
        ("samples", {"length": 3, "images": {}, "labels": []}),
        ("predict", {}),
        ("load", {"error": 3}),
        ("load", {"error": {"kind": "xyz", "type": "X", "message": "", "where": []}}),
        ("tested", {"value": 10**400}),
        ("load", {"error": {"kind": "", "type": "X", "message": 3, "where": []}}),
    ],
)
def test_other_answers_are_refused(operation, fields):
    with pytest.raises(ProtocolError):
        checked(operation, Message("id", fields))


@pytest.mark.parametrize("predictions", [np.zeros(3), np.zeros((3, 1), np.int64), np.array(3)])
def test_predictions_are_a_row_of_whole_numbers(predictions):
    with pytest.raises(ProtocolError, match="row of whole numbers"):
        checked("predict", Message("id", {}, {"predictions": predictions}))


def test_an_exception_of_the_submission_is_raised_in_readable_words():
    error = {"kind": "", "type": "E\x1b[31m", "message": "a\ud800\x00b", "where": ["x\x07", 3]}
    with pytest.raises(Raised) as caught:
        checked("train", Message("id", {"error": error}))
    assert caught.value.error == {"kind": "", "type": "E�[31m", "message": "a?�b", "where": ["x�", ""]}


def test_long_texts_are_cut():
    assert len(readable("x" * 10**6)) == 2000


@pytest.mark.parametrize(
    ("operation", "fields", "count"),
    [
        ("length", {"length": 3}, 1),
        ("samples", {"length": 3, "images": [], "labels": []}, 1),
        ("tensors", {"types": {}}, 300),
    ],
)
def test_arrays_that_were_not_asked_for_are_refused(operation, fields, count):
    with pytest.raises(ProtocolError, match="arrays"):
        checked(operation, Message("id", fields, {f"other{i}": np.zeros(2) for i in range(count)}))
