"""Sums up a run from the files that it wrote."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mp09.files import write_json
from mp09.streaming.run_files import each_prediction
from mp09.streaming.timing import read_table, tables


@dataclass(frozen=True)
class RunSummary:
    """A summary counts what a run has written, and says how long it took.

    Attributes:
        frames: the number of all frames that are written.
        first: how many of them an earlier start of the run wrote.
        seconds: from reading this start's first frame to writing its last one.
        peak_mb: the most memory of improv and all actors that was seen, looking now and then; 0 when nothing ran.
        labelled: the number of images that have a label and can be read.
        judged: how many of these have a label that is a class of the model.
        right: how many of these the model classified as their label says.
        unreadable: the number of images that could not be read.
        timed: the number of frames in the writer's table of times; 0 without tables.
        latency_ms: median and 99th percentile over these frames; None without any.
        totals_s: for each actor with a table, the seconds of all frames by the names of its columns.
    """

    frames: int
    first: int
    seconds: float
    peak_mb: float
    labelled: int
    judged: int
    right: int
    unreadable: int
    timed: int
    latency_ms: tuple[float, float] | None
    totals_s: dict[str, dict[str, float]]

    @property
    def rate(self) -> float:
        """Frames a second, of this start."""
        return (self.frames - self.first) / self.seconds if self.seconds else 0.0


def sum_up(folder: Path, *, first: int, seconds: float, memory: int) -> RunSummary:
    """Read a run's folder, and write `summary.json` into it unless it has one and no frame is new.

    Args:
        folder: the folder of the run.
        first, seconds: as in `RunSummary`.
        memory: the most memory that was seen, in bytes.
    """
    count: Counter[str] = Counter()
    for line in each_prediction(folder):
        count["frames"] += 1
        count["unreadable"] += "error" in line
        count["labelled"] += "label" in line and "error" not in line
        count["judged"] += "right" in line
        count["right"] += line.get("right", False)
    read = {path.stem: read_table(path) for path in tables(folder)}
    latency = read.get("Writer", {}).get("latency_ms", [])
    summary = RunSummary(
        frames=count["frames"],
        first=first,
        seconds=seconds,
        peak_mb=memory / 1e6,
        labelled=count["labelled"],
        judged=count["judged"],
        right=count["right"],
        unreadable=count["unreadable"],
        timed=len(latency),
        latency_ms=tuple(np.percentile(latency, (50, 99)).tolist()) if latency else None,
        totals_s={
            actor: {column: sum(values) / 1000 for column, values in table.items() if column != "frame"}
            for actor, table in read.items()
        },
    )
    path = folder / "summary.json"
    if summary.frames > first or not path.exists():
        write_json(path, asdict(summary))
    return summary
