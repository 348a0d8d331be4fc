"""Shows a comparison as tables of text, made by pure functions of the record."""

from collections.abc import Sequence
from typing import NamedTuple

from mp09.compare.accuracy import Share, worth
from mp09.compare.records import Comparison, Row

NOTHING = "-"


class Table(NamedTuple):
    """A table has a title, columns, rows of text, and notes below.

    Its headings may have line breaks. The first column holds text, the others hold numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def tables(comparison: Comparison) -> list[Table]:
    """Return the tables of accuracy, speed and size."""
    return [accuracy(comparison), speed(comparison), size(comparison)]


def accuracy(comparison: Comparison) -> Table:
    """Show the accuracy that was measured, with 95 % intervals, beside the published one."""
    settings, rows = comparison.settings, comparison.rows
    columns = ("model", "top-1 % [95 %]", "top-5 % [95 %]", "published\ntop-1 %", "published\ntop-5 %", "of weights")
    values = [
        (
            _name(row),
            _share(row.top1),
            _share(row.top5),
            _number(row.published.top1 if row.published else None, 2),
            _number(row.published.top5 if row.published else None, 2),
            published_weights(row),
        )
        for row in rows
    ]
    found = f"{settings.images}, {worth(settings.count)}" if settings.count else "no images given"
    on = {row.published.on: None for row in rows if row.published}
    return Table(f"Accuracy: {found}", columns, values, (f"published: measured on {'; '.join(on)}",) if on else ())


def speed(comparison: Comparison) -> Table:
    """Show time and memory, with the spread of the times over the rounds."""
    settings = comparison.settings
    batch = settings.batch
    columns = (
        "model",
        "ms, batch 1\nmedian",
        "\nmean",
        "\np95",
        "median of\nrounds",
        f"images/s\nbatch {batch}",
        "of\nrounds",
        "peak MiB\nbatch 1",
        f"\nbatch {batch}",
    )
    values = []
    for row in comparison.rows:
        flat = row.flat()
        times = [_number(flat[f"latency_{name}_ms"], 1) for name in ("median", "mean", "p95")]
        memory = [_number(flat[name], 0) for name in ("memory_mib", "batch_memory_mib")]
        values.append((_name(row), *times, _spread(row.medians), _number(flat["rate"], 1), _spread(row.rates), *memory))
    turns = f"by turns in {settings.rounds} rounds of {settings.runs} passes at batch 1"
    notes = (f"peak: {settings.memory}",)
    return Table(f"Speed and memory: {settings.device}, {settings.precision}, {turns}", columns, values, notes)


def size(comparison: Comparison) -> Table:
    """Show parameters, arithmetic and bytes, beside what is published."""
    columns = (
        "model",
        "input",
        "million\nparameters",
        "\npublished",
        "GMAC\nan image",
        "\npublished",
        "weights\nMiB",
        "\npublished",
    )
    values, rows = [], comparison.rows
    for row in rows:
        known = row.published
        values.append(
            (
                _name(row),
                str(row.size),
                _number(row.parameters / 1e6, 2),
                _number(known.parameters / 1e6 if known else None, 2),
                _number(row.gmacs, 3),
                _number(known.gmacs if known else None, 3),
                _number(row.weights_mib, 1),
                _number(known.file_mib if known else None, 1),
            )
        )
    more = [row.model for row in rows if row.published and row.published.parameters != row.parameters]
    return Table("Size", columns, values, (f"published of {', '.join(more)}: with heads for training",) if more else ())


def published_weights(row: Row) -> str:
    """Return the last part of the weights' name: IMAGENET1K_V2 of ResNet50_Weights.IMAGENET1K_V2."""
    return row.published.weights.rpartition("_Weights.")[2] if row.published else NOTHING


def _share(share: Share | None) -> str:
    if share is None:
        return NOTHING
    low, high = share.interval
    return f"{share.value:.1%} [{low:.1%}, {high:.1%}]".replace("%", "")


def _number(value: float | None, digits: int) -> str:
    return NOTHING if value is None else f"{value:.{digits}f}"


def _spread(values: list[float]) -> str:
    """Return the lowest and the highest value as "lowest..highest"."""
    digits = 0 if max(values) >= 100 else 1
    return f"{min(values):.{digits}f}..{max(values):.{digits}f}"


def _name(row: Row) -> str:
    """Return the model's name, with its own weights on the line below."""
    return row.model.replace(":", ":\n ")
