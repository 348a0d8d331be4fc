"""Tables of times: one CSV an actor, one row a frame, milliseconds. A group's time is shared among its frames."""

import csv
from collections.abc import Iterable
from pathlib import Path

from mp09.errors import StreamError

# An actor's kind -> its columns besides the frame's number
COLUMNS = {
    "Acquirer": ("read_ms", "wait_ms", "put_ms"),  # decoding; waiting until there is room; into the store
    "Processor": ("queue_ms", "to_device_ms", "inference_ms", "put_ms"),
    "Writer": ("queue_ms", "write_ms", "latency_ms"),  # latency: from before decoding until its line is written next
}


def kind(actor: str) -> str:
    """ "Processor2" -> "Processor"."""
    return actor.rstrip("0123456789")


class Table:
    """Rows of one actor, added to what the file holds."""

    def __init__(self, path: Path):
        """Raises StreamError when there are no columns for such an actor."""
        if not (columns := COLUMNS.get(kind(Path(path).stem))):
            raise StreamError(f"timing: expected an actor called {', '.join(COLUMNS)}, got {Path(path).stem}.")
        self._file = open(path, "a", newline="", encoding="utf-8")  # noqa: SIM115 (see close)
        self._rows = csv.writer(self._file)
        if not self._file.tell():
            self._rows.writerow(("frame", *columns))
            self._file.flush()

    def add(self, first: int, rows: Iterable[Iterable[float]]) -> None:
        """rows: of the frames from `first` on, seconds in the order of the columns."""
        for frame, seconds in enumerate(rows, start=first):
            self._rows.writerow((frame, *(f"{1000 * value:.4f}" for value in seconds)))
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def tables(folder: Path) -> list[Path]:
    """The tables of a run's actors."""
    return [path for path in sorted(Path(folder).glob("*.csv")) if kind(path.stem) in COLUMNS]


def read_table(path: Path) -> dict[str, list[float]]:
    """Column -> its values; without any where the actor had not begun."""
    with open(path, newline="", encoding="utf-8") as file:
        head, *rows = list(csv.reader(file)) or [[]]
    return {name: [float(row[i]) for row in rows] for i, name in enumerate(head)}
