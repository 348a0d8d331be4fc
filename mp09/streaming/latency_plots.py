"""Plots a run's tables of times."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mp09.streaming.timing import COLUMNS, kind, read_table, tables

POINTS = 2000  # on a line at most; a longer run is cut into as many stretches, and their means are plotted
WAITING = ("wait_ms", "queue_ms", "latency_ms")  # columns that hold times in which a frame only waits
SIZE = (9, 4.5)


def plot(folder: Path) -> list[Path]:
    """Write latency.png (a line over the frames), stages.png (stacked areas) and histogram.png into a run's folder.

    Returns:
        their paths; none where the run has no table of its writer, or an empty one.
    """
    read = {path.stem: read_table(path) for path in tables(folder)}
    if not read.get("Writer", {}).get("frame"):
        return []
    frames, latency = (np.array(read["Writer"][name]) for name in ("frame", "latency_ms"))
    return [
        _save(_line(frames, latency), folder / "latency.png"),
        _save(_areas(frames, _stages(read)), folder / "stages.png"),
        _save(_histogram(latency), folder / "histogram.png"),
    ]


def _line(frames: np.ndarray, latency: np.ndarray) -> Figure:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.plot(_thin(frames), _thin(latency), linewidth=1)
    for share, style in ((50, "--"), (99, ":")):
        value = np.percentile(latency, share)
        axes.axhline(value, linestyle=style, color="black", linewidth=1, label=f"{share} % below {value:.1f} ms")
    axes.set(xlabel="frame", ylabel="ms", title="From reading to writing", ylim=(0, None))
    axes.legend(loc="lower right")
    return figure


def _stages(read: dict[str, dict[str, list[float]]]) -> dict[str, np.ndarray]:
    """Return milliseconds, frame by frame, by stages such as "processor: inference"; processors share the frames."""
    places = {frame: place for place, frame in enumerate(read["Writer"]["frame"])}
    stages = {}
    for role, columns in COLUMNS.items():
        for column in columns:
            if column in WAITING:
                continue
            values = np.zeros(len(places))
            for table in (table for actor, table in read.items() if kind(actor) == role):
                for frame, value in zip(table.get("frame", ()), table.get(column, ()), strict=True):
                    if frame in places:
                        values[places[frame]] = value
            stages[f"{role.lower()}: {column.removesuffix('_ms').replace('_', ' ')}"] = values
    return stages


def _areas(frames: np.ndarray, stages: dict[str, np.ndarray]) -> Figure:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.stackplot(_thin(frames), [_thin(values) for values in stages.values()], labels=list(stages))
    axes.set(xlabel="frame", ylabel="ms a frame", title="Work, actor by actor", ylim=(0, None))
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center")
    return figure


def _histogram(latency: np.ndarray) -> Figure:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    axes.hist(latency, bins=50)
    axes.set(xlabel="ms from reading to writing", ylabel="frames", title=f"{len(latency)} frames", xlim=(0, None))
    return figure


def _thin(values: np.ndarray) -> np.ndarray:
    """Return at most POINTS values: these themselves, or the means of as many stretches."""
    if len(values) <= POINTS:
        return values
    return np.array([stretch.mean() for stretch in np.array_split(values, POINTS)])


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=120)
    return path
