"""Searches for the best head, optimizer, schedule, learning rate and weight decay by Bayesian optimisation, with Ax.

    trials = search(evaluate, trials=30, folder=Path("tuning"))    # `evaluate` maps parameters to an accuracy

The parameters of a trial are "head" (a name in HEADS), "optimizer" ("adamw" or "sgd"), "schedule" ("one-cycle" or
"cosine"), "lr" (1e-4 to 1e-1) and "weight_decay" (1e-5 to 1e-1). Accuracies are 0 to 1. Each finished trial is written
to trials.json at once, and the same call goes on from there.
"""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mp09.errors import Mp09Error, TrainingError
from mp09.files import write_json
from mp09.tuning.ax_client import client_for, quietly, tell
from mp09.tuning.executors import Evaluate, TrialExecutor, executor_for
from mp09.tuning.space import CHOICES, HEADS, METRIC, RANGES, Trial

__all__ = [
    "CHOICES",
    "HEADS",
    "MODEL_TRIALS",
    "RANGES",
    "Trial",
    "WatchTrials",
    "best",
    "best_so_far",
    "contour",
    "load_trials",
    "search",
]

TRIALS = "trials.json"
MODEL_TRIALS = 8  # fewer trials are too few for a model of the accuracy
LEAST_ERROR = 1e-4  # the smallest error that a plot shows; its scale is logarithmic
GRID = 25  # points along each side of the contour plot

WatchTrials = Callable[[Trial], None]


def search(
    evaluate: Evaluate,
    *,
    trials: int = 30,
    parallel: int = 1,
    seed: int = 0,
    folder: Path | None = None,
    card: dict[str, Any] | None = None,
    executor: TrialExecutor | None = None,
    watch: WatchTrials | None = None,
) -> list[Trial]:
    """Look for the parameters with the highest accuracy, by Bayesian optimisation with Ax.

    After some trials all over the range, a Gaussian process (Snoek, Larochelle and Adams, 2012) predicts the accuracy
    of parameters that were not tried, and the next trial is made where a gain is likeliest.

    Args:
        evaluate: Takes parameters and returns an accuracy, 0 to 1. It must be picklable when trials run in parallel. An
            Mp09Error that it raises is a trial that failed, and the search goes on.
        trials: How many trials in all, those found in the folder included; by default 30.
        parallel: How many trials run at a time, each in a process of its own; by default 1, in this process.
        seed: Of the choice of parameters, by default 0.
        folder: Where trials are kept, and found again; None keeps nothing.
        card: Plain values that say what is searched. A search is continued only with the same.
        executor: Runs the trials, as `cluster.RayExecutor` does. The default is this process, or `parallel` processes.
        watch: Is called with every trial that has ended.

    Returns:
        All trials, in the order of their ends.

    Raises:
        TrainingError: `trials` or `parallel` is below 1, the folder holds another search, or it can't be written.
    """
    if trials < 1 or parallel < 1:
        raise TrainingError(f"trials and parallel: expected 1 or more, got {trials} and {parallel}.")
    card = {**(card or {}), "seed": seed}
    done = load_trials(folder, card) if folder else []
    client = quietly(client_for, seed, done)
    running: dict[Future[float], tuple[int, dict[str, Any], float]] = {}
    with executor_for(executor, parallel, evaluate) as pool:
        while len(done) < trials:
            wanted = min(parallel - len(running), trials - len(done) - len(running))
            for index, chosen in quietly(client.get_next_trials, wanted).items() if wanted else ():
                parameters = {name: chosen[name] for name in (*CHOICES, *RANGES)}
                running[pool.submit(evaluate, parameters)] = (index, parameters, time.perf_counter())
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index, parameters, started = running.pop(future)
                trial = _ended(future, len(done) + 1, parameters, time.perf_counter() - started)
                tell(client, index, trial)
                done.append(trial)
                if folder:
                    _save(folder, done, card)
                if watch:
                    watch(trial)
    return done


def best(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the highest accuracy.

    Args:
        trials: As `search` returns them.

    Returns:
        The first of those with the highest accuracy.

    Raises:
        TrainingError: There are no trials, or all of them failed.
    """
    if not trials:
        raise TrainingError("no trials: expected at least one to choose the best of.")
    valued = [(trial.accuracy, trial) for trial in trials if trial.accuracy is not None]
    if not valued:
        raise TrainingError(f"all {len(trials)} trials failed; the last one said: {trials[-1].error}")
    return max(valued, key=lambda pair: pair[0])[1]


def _ended(future: Future[float], number: int, parameters: dict[str, Any], seconds: float) -> Trial:
    try:
        return Trial(number, parameters, future.result(), seconds)
    except Mp09Error as error:  # e.g. a loss became infinite: a bad trial, not the end of the search
        return Trial(number, parameters, None, seconds, str(error))


def load_trials(folder: Path, card: dict[str, Any] | None = None) -> list[Trial]:
    """Return the trials in a folder; there are none when there is no search yet.

    Args:
        folder: The folder of a search.
        card: What the search must have as its card, the seed included; None accepts any search.

    Returns:
        The trials, in the order of their ends.

    Raises:
        TrainingError: The trials are damaged, have other parameters, or are those of another search.
    """
    path = Path(folder) / TRIALS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        then, trials = found["card"], [Trial(**entry) for entry in found["trials"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"{path}: expected the trials of a search ({error}). Use another folder.") from error
    if any(set(trial.parameters) != {*CHOICES, *RANGES} for trial in trials):
        raise TrainingError(f"{path}: the search of another version, with other parameters. Use another folder.")
    now = card or then
    if differs := [key for key in {**then, **now} if then.get(key) != now.get(key)]:
        words = ", ".join(f"{key} {then.get(key)} (now {now.get(key)})" for key in differs)
        raise TrainingError(f"{path}: a search with {words}. Give the same values, or another folder.")
    return trials


def _save(folder: Path, trials: list[Trial], card: dict[str, Any]) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_json(Path(folder) / TRIALS, {"card": card, "trials": [asdict(trial) for trial in trials]})
    except OSError as error:
        raise TrainingError(f"{folder}: the trials could not be written ({error}).") from error


def best_so_far(trials: Sequence[Trial]) -> Figure:
    """Plot the error (1 - accuracy) of every trial, and the least error until then.

    The scale is logarithmic, since good trials lie close together. Trials that failed have no mark.

    Args:
        trials: As `search` returns them.

    Returns:
        The figure.
    """
    numbers = [trial.number for trial in trials]
    values = np.array([np.nan if trial.accuracy is None else max(1 - trial.accuracy, LEAST_ERROR) for trial in trials])
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(numbers, values, "o", color="#1f77b4", label="trial")
    axes.step(numbers, np.fmin.accumulate(values), where="post", color="#d55e00", label="best so far")
    axes.set(xlabel="trial", ylabel="validation error", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="upper right")
    return figure


def contour(trials: Sequence[Trial], *, seed: int = 0) -> Figure:
    """Draw the accuracy that Ax's model predicts for every learning rate and weight decay.

    The other parameters have the values of the best trial. Small marks are all trials, and large ones those that share
    these values.

    Args:
        trials: The trials that the model learns from.
        seed: Of Ax's client.

    Returns:
        The figure.

    Raises:
        TrainingError: There are no trials or too few for a model, or all of them failed.
    """
    top = best(trials)
    (x_name, x_bounds), (y_name, y_bounds) = RANGES.items()
    xs, ys = (np.geomspace(*bounds, GRID) for bounds in (x_bounds, y_bounds))
    client = quietly(client_for, seed, trials)
    points = [{**top.parameters, x_name: float(x), y_name: float(y)} for y in ys for x in xs]
    try:
        quietly(client.get_next_trials, 1)  # this fits the model
        predicted = quietly(client.predict, points)
    except Exception as error:  # Ax has no common class for its errors about too little data
        raise TrainingError(f"{len(trials)} trials are too few for a contour plot ({error}).") from error
    values = np.array([point[METRIC][0] for point in predicted]).reshape(GRID, GRID)
    figure = Figure(figsize=(6.5, 5), layout="constrained")
    axes = figure.subplots()
    filled = axes.contourf(xs, ys, values, levels=15, cmap="viridis")
    figure.colorbar(filled, label="predicted validation accuracy")
    alike = [trial for trial in trials if all(trial.parameters[name] == top.parameters[name] for name in CHOICES)]
    for group, size in ((trials, 12), (alike, 40)):
        x, y = ([trial.parameters[name] for trial in group] for name in (x_name, y_name))
        axes.scatter(x, y, s=size, color="white", edgecolors="black", clip_on=False)
    x, y = top.parameters[x_name], top.parameters[y_name]
    axes.plot(x, y, "*", color="#d55e00", markersize=16, clip_on=False, label="best trial")
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="weight decay")
    axes.set_title(", ".join(f"{name} {top.parameters[name]}" for name in CHOICES))
    axes.legend()
    return figure
