"""Test that the search finds better parameters, writes each trial down, and goes on where it stopped."""

import errno
import json
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest

from mp09 import tuning
from mp09.errors import TrainingError
from mp09.tuning import Trial, best, search

pytestmark = pytest.mark.skipif(not find_spec("ax"), reason="Ax needs Python 3.11")  # importing it takes seconds


def landscape(parameters: dict) -> float:
    """Return an accuracy that is highest at a learning rate of 0.01, and lower by 0.05 with "sgd"."""
    return 0.9 - 0.1 * abs(math.log10(parameters["lr"]) + 2) - 0.05 * (parameters["optimizer"] == "sgd")


def sometimes_fails(parameters: dict) -> float:
    if parameters["optimizer"] == "sgd":
        raise TrainingError("the loss is no number")
    return landscape(parameters)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return folder, search(landscape, trials=14, folder=folder)


def test_it_comes_close_to_the_best(searched):
    assert best(searched[1]).accuracy > 0.87


def test_every_trial_is_written_down(searched):
    folder, trials = searched
    entries = json.loads((folder / "trials.json").read_text())["trials"]
    assert [entry["number"] for entry in entries] == list(range(1, 15))
    assert entries[3]["accuracy"] == landscape(trials[3].parameters)
    assert set(entries[0]["parameters"]) == {"head", "optimizer", "schedule", "lr", "weight_decay"}


def test_it_goes_on_where_it_was(tmp_path):
    first = search(landscape, trials=3, folder=tmp_path)
    told = []
    trials = search(landscape, trials=5, folder=tmp_path, watch=told.append)
    assert trials[:3] == first
    assert [trial.number for trial in told] == [4, 5]
    assert search(landscape, trials=5, folder=tmp_path) == trials


def test_the_plots_show_the_trials(searched):
    _, trials = searched
    points, steps = tuning.best_so_far(trials).axes[0].lines
    assert points.get_ydata() == pytest.approx([1 - trial.accuracy for trial in trials])
    assert steps.get_ydata()[-1] == pytest.approx(1 - best(trials).accuracy)
    axes = tuning.contour(trials).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "weight decay")
    assert len(axes.collections[1].get_offsets()) == len(trials)


def test_the_contour_follows_the_landscape(searched):
    filled = tuning.contour(searched[1]).axes[0].collections[0]
    assert np.ptp(filled.levels) > 0.03


def test_two_trials_at_a_time(tmp_path):
    trials = search(landscape, trials=4, parallel=2, folder=tmp_path)
    assert sorted(trial.number for trial in trials) == [1, 2, 3, 4]
    assert all(trial.accuracy == landscape(trial.parameters) for trial in trials)


def test_a_trial_that_fails_does_not_end_the_search():
    trials = search(sometimes_fails, trials=6)
    assert {trial.error for trial in trials if trial.accuracy is None} == {"the loss is no number"}
    assert best(trials).parameters["optimizer"] == "adamw"


@pytest.mark.parametrize("restarts", [(8,), (2, 4, 6, 8)])
def test_what_failed_is_not_tried_again(tmp_path, restarts):
    for trials in restarts:
        tried = search(sometimes_fails, trials=trials, folder=tmp_path)
    assert len({tuple(trial.parameters.values()) for trial in tried}) == len(tried)
    assert any(trial.accuracy is None for trial in tried)


def test_each_process_gets_the_function_once():
    trials = search(Weighty(), trials=6, parallel=2)
    assert {trial.accuracy for trial in trials} <= {0.1, 0.2, 0.3, 0.4, 0.5, 0.6}
    assert sum(trial.accuracy == 0.1 for trial in trials) <= 2  # the first call in each of two processes


class Weighty:
    """Returns 0.1 at its first call after it was unpickled, 0.2 at the second, and so on."""

    def __init__(self):
        self.calls = 0

    def __setstate__(self, state):
        self.calls = 0

    def __call__(self, parameters):
        self.calls += 1
        return round(0.1 * self.calls, 1)


def test_nothing_is_best_when_all_failed():
    with pytest.raises(TrainingError, match="no trials: expected at least one to choose the best of"):
        best([])
    with pytest.raises(TrainingError, match="all 1 trials failed; the last one said: no"):
        best([Trial(1, {}, None, 0.0, "no")])


def test_too_few_trials_have_no_contour():
    trials = search(landscape, trials=1)
    with pytest.raises(TrainingError, match="1 trials are too few"):
        tuning.contour(trials)


@pytest.mark.parametrize(("trials", "parallel"), [(0, 1), (1, 0)])
def test_numbers_below_one_are_refused(trials, parallel):
    with pytest.raises(TrainingError, match="expected 1 or more"):
        search(landscape, trials=trials, parallel=parallel)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"card": {}, "trials": [{"number": 1}]}'])
def test_a_foreign_file_is_refused(tmp_path, text):
    (tmp_path / "trials.json").write_text(text)
    with pytest.raises(TrainingError, match="expected the trials of a search"):
        search(landscape, trials=1, folder=tmp_path)


def test_another_search_is_refused(tmp_path):
    entry = {"number": 1, "parameters": {"depth": 3}, "accuracy": 0.5, "seconds": 1.0, "error": ""}
    (tmp_path / "trials.json").write_text(json.dumps({"card": {"seed": 0}, "trials": [entry]}))
    with pytest.raises(TrainingError, match="with other parameters"):
        search(landscape, trials=1, folder=tmp_path)


def test_a_search_over_other_data_is_refused(tmp_path):
    search(landscape, trials=1, folder=tmp_path, card={"train": "cats"})
    with pytest.raises(TrainingError, match=r"a search with train cats \(now dogs\)"):
        search(landscape, trials=2, folder=tmp_path, card={"train": "dogs"})


def test_more_trials_may_run_at_a_time_than_a_search_begins_with():
    barrier = threading.Barrier(8)

    def together(parameters: dict) -> float:
        barrier.wait(60)
        return landscape(parameters)

    with ThreadPoolExecutor(8) as pool:
        assert len(search(together, trials=8, parallel=8, executor=pool)) == 8


def test_a_folder_that_can_not_be_written_is_refused(tmp_path, monkeypatch):
    def full(*args) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tuning, "write_json", full)
    with pytest.raises(TrainingError, match=r"could not be written .*No space left"):
        search(landscape, trials=1, folder=tmp_path)
