"""Test what a worker may answer."""

import numpy as np
import pytest

from mp09.errors import ProtocolError
from mp09.grading.replies import Raised, checked, readable
from mp09.grading.sandbox import conversation
from mp09.grading.sandbox.conversation import ABOUT, LOAD, TENSORS, TRAIN, About, ErrorReport, ReturnedNumber
from mp09.grading.sandbox.isolation import Confined
from mp09.grading.sandbox.protocol import Message

LENGTH, SAMPLES = conversation.length([]), conversation.samples([], [])
PREDICT, TESTED = conversation.predict("", 1, 1), conversation.tested("", 1)
CONFINED = {"landlock_abi": 7, "user": None, "seccomp": True, "own_shared_memory": False}
ABOUT_FIELDS = {"device": "cpu", "threads": 2, "versions": {"torch": "2"}, "isolation": CONFINED}


@pytest.mark.parametrize(
    ("question", "fields"),
    [
        (LENGTH, {}),
        (LENGTH, {"length": 3, "score": 15}),
        (LENGTH, {"length": "3"}),
        (LENGTH, {"length": True}),
        (LENGTH, {"length": 3.0}),
        (SAMPLES, {"length": 3, "images": {}, "labels": []}),
        (PREDICT, {}),
        (LOAD, {"error": 3}),
        (LOAD, {"error": {"kind": "xyz", "type": "X", "message": "", "where": []}}),
        (TESTED, {"value": 10**400}),
        (TESTED, {"value": True}),
        (LOAD, {"error": {"kind": "", "type": "X", "message": 3, "where": []}}),
        (ABOUT, ABOUT_FIELDS | {"isolation": None}),
        (ABOUT, ABOUT_FIELDS | {"isolation": CONFINED | {"seccomp": 1}}),
        (ABOUT, ABOUT_FIELDS | {"isolation": CONFINED | {"score": 1}}),
    ],
)
def test_other_answers_are_refused(question, fields):
    with pytest.raises(ProtocolError):
        checked(question, Message("id", fields))


def test_an_answer_becomes_a_record():
    about = checked(ABOUT, Message("id", ABOUT_FIELDS)).fields
    assert about == About("cpu", 2, {"torch": "2"}, Confined(7, None, True, False))


@pytest.mark.parametrize("value", [0.5, 93, None])
def test_what_test_returns_is_any_number_or_none(value):
    assert checked(TESTED, Message("id", {"value": value})).fields == ReturnedNumber(value)


@pytest.mark.parametrize("predictions", [np.zeros(3), np.zeros((3, 1), np.int64), np.array(3)])
def test_predictions_are_a_row_of_whole_numbers(predictions):
    with pytest.raises(ProtocolError, match="row of whole numbers"):
        checked(PREDICT, Message("id", {"transform": "test", "problem": ""}, {"predictions": predictions}))


def test_only_known_transforms_are_named():
    with pytest.raises(ProtocolError, match="an unknown transform"):
        checked(PREDICT, Message("id", {"transform": "mine", "problem": ""}, {"predictions": np.zeros(3, np.int64)}))


def test_an_exception_of_the_submission_is_raised_in_readable_words():
    error = {"kind": "", "type": "E\x1b[31m", "message": "a\ud800\x00b", "where": ["x\x07", 3]}
    with pytest.raises(Raised) as caught:
        checked(TRAIN, Message("id", {"error": error}))
    assert caught.value.error == ErrorReport("", "E�[31m", "a?�b", ["x�", ""])


def test_long_texts_are_cut():
    assert len(readable("x" * 10**6)) == 2000


@pytest.mark.parametrize(
    ("question", "fields", "count"),
    [
        (LENGTH, {"length": 3}, 1),
        (SAMPLES, {"length": 3, "images": [], "labels": []}, 1),
        (TENSORS, {"types": {}}, 300),
    ],
)
def test_arrays_that_were_not_asked_for_are_refused(question, fields, count):
    with pytest.raises(ProtocolError, match="arrays"):
        checked(question, Message("id", fields, {f"other{i}": np.zeros(2) for i in range(count)}))
