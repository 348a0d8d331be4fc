"""What came out of a run, from the files it wrote."""

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mp09.files import write_json
from mp09.streaming.records import each_prediction
from mp09.streaming.timing import read_table, tables


@dataclass(frozen=True)
class Summary:
    """A run.

    frames: all that are written; `first` of them by an earlier start
    seconds: from the first frame's reading to the last one's writing, of this start
    peak_mb: the most memory of improv and all actors that was seen, looking now and then; 0 when nothing ran
    labelled: pictures with a label; `judged` of them are said to show what the network knows, `right` are named so
    unreadable: pictures that could not be read
    latency_ms: median and 99th percentile of the `timed` frames, where there are tables of times
    totals_s: actor -> column -> seconds in all, where there are tables
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
        """Frames a second."""
        return (self.frames - self.first) / self.seconds if self.seconds else 0.0


def sum_up(folder: Path, *, first: int, seconds: float, memory: int) -> Summary:
    """Read a run's folder, and write `summary.json` into it unless no frame is new."""
    count = Counter()
    for line in each_prediction(folder):
        count["frames"] += 1
        count["unreadable"] += "error" in line
        count["labelled"] += "label" in line and "error" not in line
        count["judged"] += "right" in line
        count["right"] += line.get("right", False)
    read = {path.stem: read_table(path) for path in tables(folder)}
    latency = read.get("Writer", {}).get("latency_ms", [])
    summary = Summary(
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
