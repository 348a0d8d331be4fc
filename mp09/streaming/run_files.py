"""The files that a run writes: one line of JSON a frame, and features. A run that broke off goes on from them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mp09.errors import StreamError
from mp09.files import atomic_write
from mp09.streaming.messages import Answer
from mp09.streaming.timing import tables

PREDICTIONS = "predictions.jsonl"
FEATURES = "features.npy"
BLOCK = 1024  # rows that are written at a time


class Records:
    """Writes the predictions and features of a run, after those that its folder already has.

    `predictions.jsonl` has one line a frame, in the order of the frames. `features.npy` is float32 (frames, D), with
    rows of NaN where nothing is written yet or the image can't be read.

    Args:
        folder: the folder of the run.
        total: how many frames there are when all are written.
    """

    def __init__(self, folder: Path, total: int):
        self._folder, self._total = Path(folder), total
        self._pending = ""
        self._features: np.memmap | None = None
        self._lines = open(self._folder / PREDICTIONS, "a", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 (see close)

    def add(self, answer: Answer, features: np.ndarray | None) -> None:
        """Write an answer's features, and prepare its lines for `commit`.

        Args:
            answer: the answer for N frames.
            features: float32 (N, D); None where the image can't be read.

        Raises:
            StreamError: `features.npy` is missing, although earlier frames had features.
        """
        group = answer.group
        if features is not None:
            self._rows(features.shape[1])[group.first : group.first + len(features)] = features
        lines = []
        rows = zip(group.names, group.labels, answer.top, answer.right, strict=True)
        for frame, (name, label, top, right) in enumerate(rows, group.first):
            line = {"frame": frame, "name": name}
            if label is not None:
                line["label"] = label
            if right is not None:
                line["right"] = right
            if group.error:
                line["error"] = group.error
            else:
                line |= {"predicted": top[0][1], "percent": round(100 * top[0][2], 4)}
                line["top"] = [{"index": i, "name": n, "percent": round(100 * p, 4)} for i, n, p in top]
            lines.append(json.dumps({**line, "processor": answer.processor}, ensure_ascii=False) + "\n")
        self._pending += "".join(lines)

    def commit(self) -> None:
        """Write the prepared lines, at once and after everything else, so that a frame with a line is complete."""
        self._lines.write(self._pending)
        self._lines.flush()
        self._pending = ""

    def close(self) -> None:
        self._lines.close()
        if self._features is not None:
            self._features.flush()

    def _rows(self, width: int) -> np.ndarray:
        if self._features is None:
            path = self._folder / FEATURES
            if not path.exists():
                if any("predicted" in line for line in each_prediction(self._folder)):
                    raise StreamError(f"{path}: is missing, and the frames before had features. Choose another --out.")
                _write_empty(path, self._total, width)
            self._features = np.load(path, mmap_mode="r+")
        return self._features


def _write_empty(path: Path, rows: int, width: int) -> None:
    """Write a file with an array of NaN, in one step; this takes its room on the disk before rows are filled in."""
    description = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
    with atomic_write(path) as file:
        np.lib.format.write_array_header_1_0(file, description)
        for start in range(0, rows, BLOCK):
            file.write(np.full((min(BLOCK, rows - start), width), np.nan, "<f4").tobytes())


def each_prediction(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a run, frame by frame."""
    with open(Path(folder) / PREDICTIONS, encoding="utf-8") as file:
        yield from map(json.loads, file)


def read_predictions(folder: Path) -> list[dict[str, Any]]:
    """Return all lines of a run."""
    return list(each_prediction(folder))


def cut_back(folder: Path) -> int:
    """Remove what is half written, so that a run that broke off can go on; return how many frames it has written."""
    written = _cut(Path(folder) / PREDICTIONS, lambda line: True)
    for table in tables(folder):
        _cut(table, lambda line: not line[:1].isdigit() or int(line.partition(b",")[0]) < written)
    return written


def _cut(path: Path, keep: Callable[[bytes], bool]) -> int:
    """Cut a file off before the first line that is incomplete or not to be kept; return how many lines are left."""
    lines = size = 0
    if path.exists():
        with open(path, "r+b") as file:
            for line in file:
                if not line.endswith(b"\n") or not keep(line):
                    break
                lines, size = lines + 1, size + len(line)
            file.truncate(size)
    return lines
