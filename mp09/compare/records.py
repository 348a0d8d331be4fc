"""What a comparison found, as records and as files. Tables, chart and files are all made from these records."""

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from mp09.compare.accuracy import Share
from mp09.errors import CompareError
from mp09.files import write_json, write_text

FILES = ("results.csv", "results.json")


@dataclass(frozen=True)
class Turn:
    """A turn is what was measured of one model in one round.

    Attributes:
        began_s: when it began, in seconds since the first turn of all.
        latency_ms: milliseconds of each pass at batch 1.
        rate: images a second at the comparison's batch size.
    """

    began_s: float
    latency_ms: tuple[float, ...]
    rate: float


@dataclass(frozen=True)
class PublishedFigures:
    """Holds what is published of a model's weights.

    Attributes:
        weights: their name, e.g. "AlexNet_Weights.IMAGENET1K_V1".
        on: the images on which top1 and top5 were measured.
        top1, top5: accuracies in percent; top5 is None where it is not published.
        parameters: the number of parameters, with those of heads that are for training alone.
        gmacs: multiplications with additions for one image, in 1e9.
        file_mib: the size of the checkpoint, in MiB.
    """

    weights: str
    on: str
    top1: float
    top5: float | None
    parameters: int
    gmacs: float
    file_mib: float


@dataclass(frozen=True)
class Conditions:
    """Says how models were measured.

    Attributes:
        images: the name of the images; None where none were given.
        count: the number of images.
        batch: images in a batch.
        rounds: the number of turns of each model.
        runs: passes at batch 1 in a turn.
        device: the device in words.
        precision: the number type that models computed in.
        memory: what the peaks of memory are, in words. This, the device and the precision are None where no model could
            be loaded.
        torch: the version of PyTorch.
    """

    images: str | None
    count: int
    batch: int
    rounds: int
    runs: int
    device: str | None
    precision: str | None
    memory: str | None
    torch: str


@dataclass(frozen=True)
class Row:
    """A row is all that was measured of one model, and what is published of it.

    Attributes:
        model: the model's name, as it was asked for.
        weights: the name of its weights, e.g. "AlexNet_Weights.IMAGENET1K_V1", or that of their file.
        outputs: the number of its outputs.
        size: the side of its input, in pixels.
        parameters: the number of its parameters.
        gmacs: as `measure.gmacs` counts them.
        weights_mib: the size of the checkpoint `weights_in`, or of the tensors in it where that is "state dict".
        memory_mib, batch_memory_mib: peaks at batch 1 and at the comparison's batch size; None where not measured.
        turns: one for each round.
        top1, top5: accuracy on the images; None where none were classified, and top5 also for at most 5 outputs.
        published: the published figures; None where there are none that can be compared with these.
    """

    model: str
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
    published: PublishedFigures | None

    @property
    def latencies(self) -> np.ndarray:
        """The milliseconds of all passes in all turns."""
        return np.concatenate([turn.latency_ms for turn in self.turns])

    @property
    def medians(self) -> list[float]:
        """The median of each turn, in milliseconds."""
        return [statistics.median(turn.latency_ms) for turn in self.turns]

    @property
    def rates(self) -> list[float]:
        """The images a second of each turn."""
        return [turn.rate for turn in self.turns]

    def flat(self) -> dict[str, Any]:
        """Return everything as one value for each name, with the turns summed up."""
        shares: dict[str, float | None] = {}
        for name, share in (("top1", self.top1), ("top5", self.top5)):
            low, high = share.interval if share else (None, None)
            shares |= {name: share.value if share else None, f"{name}_low": low, f"{name}_high": high}
        known = asdict(self.published) if self.published else {}
        return {
            "model": self.model,
            "weights": self.weights,
            "outputs": self.outputs,
            "size": self.size,
            "images": self.top1.count if self.top1 else 0,
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
            **{f"published_{field.name}": known.get(field.name) for field in fields(PublishedFigures)},
        }


@dataclass(frozen=True)
class Comparison:
    """A comparison is what was found of several models.

    Attributes:
        rows: one for each model that was measured.
        settings: how they were measured.
        notes: by the name of a model, what could not be measured and why.
    """

    rows: tuple[Row, ...]
    settings: Conditions
    notes: Mapping[str, str]


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Write results.csv and results.json into a folder, and return their paths. Raises CompareError when that fails."""
    files = [Path(folder) / name for name in FILES]
    rows = [row.flat() for row in comparison.rows]
    rounds = [
        [{"began_s": turn.began_s, "latency_ms": turn.latency_ms, "rate": turn.rate} for turn in row.turns]
        for row in comparison.rows
    ]
    models = [{**row, "rounds": turns} for row, turns in zip(rows, rounds, strict=True)]
    content = {"settings": asdict(comparison.settings), "models": models, "notes": dict(comparison.notes)}
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
