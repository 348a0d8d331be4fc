"""Pictures of a run's tables of times."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mp09.streaming.timing import COLUMNS, kind, read_table, tables

POINTS = 2000  # of a line; longer runs are drawn by the means of as many stretches
WAITING = ("wait_ms", "queue_ms", "latency_ms")  # with times in which a frame only waits
SIZE = (9, 4.5)


def plot(folder: Path) -> list[Path]:
    """latency.png (a line over the frames), stages.png (areas), histogram.png: where there are tables."""
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
    """ "processor inference" -> milliseconds, frame by frame; several processors share the frames among them."""
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
    """Means of at most POINTS stretches."""
    if len(values) <= POINTS:
        return values
    return np.array([stretch.mean() for stretch in np.array_split(values, POINTS)])


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=120)
    return path
