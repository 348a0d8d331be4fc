"""What a comparison found, and its files. Everything that is shown is made from these records."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mp09.compare.accuracy import Share
from mp09.errors import CompareError
from mp09.files import write_json, write_text

FILES = ("results.csv", "results.json")


@dataclass(frozen=True)
class Turn:
    """One network's part of one round: when it began, milliseconds of each pass at batch 1, pictures a second."""

    began_s: float
    latency_ms: tuple[float, ...]
    rate: float


@dataclass(frozen=True)
class Row:
    """One network.

    network: as it was asked for; weights: which ones, in words; size: of its input, pixels
    weights_mib: of the file `weights_in`, or of the tensors it would hold ("state dict")
    memory_mib, batch_memory_mib: peaks at batch 1 and at the comparison's batch; None where they can't be measured
    top1, top5: of the pictures; None where none were classified, top5 too where five are all there are
    published: figures by their names, for the weights `published["weights"]`; empty where there are none that compare
    """

    network: str
    weights: str
    outputs: int
    size: int
    parameters: int
    gmacs: float
    weights_mib: float
    weights_in: str
    memory_mib: float | None
    batch_memory_mib: float | None
    turns: tuple[Turn, ...]
    top1: Share | None
    top5: Share | None
    published: Mapping[str, Any]

    @property
    def latencies(self) -> np.ndarray:
        """Of all turns, milliseconds."""
        return np.concatenate([turn.latency_ms for turn in self.turns])

    @property
    def medians(self) -> list[float]:
        """Of each turn, milliseconds."""
        return [statistics.median(turn.latency_ms) for turn in self.turns]

    @property
    def rates(self) -> list[float]:
        """Of each turn, pictures a second."""
        return [turn.rate for turn in self.turns]

    def flat(self) -> dict[str, Any]:
        """One value a name."""
        shares = {}
        for name, share in (("top1", self.top1), ("top5", self.top5)):
            low, high = share.interval if share else (None, None)
            shares |= {name: share and share.value, f"{name}_low": low, f"{name}_high": high}
        published = ("weights", "on", "top1", "top5", "parameters", "gmacs", "file_mib")
        return {
            "network": self.network,
            "weights": self.weights,
            "outputs": self.outputs,
            "size": self.size,
            "pictures": self.top1.count if self.top1 else 0,
            **shares,
            "latency_median_ms": float(np.median(self.latencies)),
            "latency_mean_ms": float(self.latencies.mean()),
            "latency_p95_ms": float(np.percentile(self.latencies, 95)),
            "latency_lowest_round_ms": min(self.medians),
            "latency_highest_round_ms": max(self.medians),
            "rate": statistics.median(self.rates),
            "rate_lowest_round": min(self.rates),
            "rate_highest_round": max(self.rates),
            "memory_mib": self.memory_mib,
            "batch_memory_mib": self.batch_memory_mib,
            "parameters": self.parameters,
            "gmacs": self.gmacs,
            "weights_mib": self.weights_mib,
            "weights_in": self.weights_in,
            **{f"published_{name}": self.published.get(name) for name in published},
        }


@dataclass(frozen=True)
class Comparison:
    """rows: one a network; settings: how they were measured; notes: by network, what could not be measured and why."""

    rows: tuple[Row, ...]
    settings: Mapping[str, Any]
    notes: Mapping[str, str]


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write results.csv and results.json. Raises CompareError when that fails."""
    files = [Path(folder) / name for name in FILES]
    rows = [row.flat() for row in comparison.rows]
    rounds = [
        [{"began_s": turn.began_s, "latency_ms": turn.latency_ms, "rate": turn.rate} for turn in row.turns]
        for row in comparison.rows
    ]
    networks = [{**row, "rounds": turns} for row, turns in zip(rows, rounds, strict=True)]
    content = {"settings": dict(comparison.settings), "networks": networks, "notes": dict(comparison.notes)}
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_text(files[0], _csv(rows))
        write_json(files[1], content)
    except OSError as error:
        raise CompareError(f"{folder}: the results could not be written there ({error.strerror}).") from error
    return files


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()
