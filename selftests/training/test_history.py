"""Tests which epoch of a history is the best one, and how an epoch becomes a line of text."""

from mp09.training.history import History

ROW = {"epoch": 1, "train_loss": 1.0, "train_accuracy": 0.5, "valid_loss": 1.25, "valid_accuracy": 0.4, "seconds": 2.0}


def test_the_first_of_equals_is_the_best():
    history = History([ROW, {**ROW, "epoch": 2, "valid_accuracy": 0.6}, {**ROW, "epoch": 3, "valid_accuracy": 0.6}])
    assert history.best["epoch"] == 2
    assert history.epochs_since_best() == 1
    assert history.column("valid_accuracy") == [0.4, 0.6, 0.6]


def test_nothing_is_best_of_nothing():
    assert History().best is None
    assert History().epochs_since_best() == 0


def test_without_validation_training_accuracy_counts():
    rows = [{key: value for key, value in ROW.items() if not key.startswith("valid")}]
    assert History(rows).best["epoch"] == 1


def test_a_line_tells_both_splits():
    words = "epoch   1  train loss 1.0000 accuracy 0.5000  valid loss 1.2500 accuracy 0.4000  2.0 s"
    assert History([ROW]).line() == words
