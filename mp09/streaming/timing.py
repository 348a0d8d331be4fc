"""Tables of times: each actor has a CSV file with one row a frame, in milliseconds.

The time that a group takes is shared equally among its frames.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from mp09.errors import StreamError

# The columns of each kind of actor, after the number of the frame. A frame's latency is the time from before its image
# is decoded until just before its line is written.
COLUMNS = {
    "Acquirer": ("read_ms", "wait_ms", "put_ms"),  # decoding; waiting for room; putting into the store
    "Processor": ("queue_ms", "to_device_ms", "inference_ms", "put_ms"),
    "Writer": ("queue_ms", "write_ms", "latency_ms"),
}


def kind(actor: str) -> str:
    """Return the kind of an actor: its name without the number, so "Processor" for "Processor2"."""
    return actor.rstrip("0123456789")


class TimeTable:
    """Writes the rows of one actor, after those that its file already has."""

    def __init__(self, path: Path):
        """Open the file, which is named after its actor. Raises StreamError when no kind of actor has that name."""
        if not (columns := COLUMNS.get(kind(Path(path).stem))):
            raise StreamError(f"timing: expected an actor called {', '.join(COLUMNS)}, got {Path(path).stem}.")
        self._file = open(path, "a", newline="", encoding="utf-8")  # noqa: SIM115 (see close)
        self._rows = csv.writer(self._file)
        if not self._file.tell():
            self._rows.writerow(("frame", *columns))
            self._file.flush()

    def add(self, first: int, rows: Iterable[Iterable[float]]) -> None:
        """Add the rows of the frames from `first` on, each with seconds in the order of the columns."""
        for frame, seconds in enumerate(rows, start=first):
            self._rows.writerow((frame, *(f"{1000 * value:.4f}" for value in seconds)))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def tables(folder: Path) -> list[Path]:
    """Return the paths of the tables in a run's folder."""
    return [path for path in sorted(Path(folder).glob("*.csv")) if kind(path.stem) in COLUMNS]


def read_table(path: Path) -> dict[str, list[float]]:
    """Return the values of each column by its name; there are no columns where the actor had not begun."""
    with open(path, newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file)) or [[]]
    return {name: [float(row[i]) for row in rows] for i, name in enumerate(head)}
