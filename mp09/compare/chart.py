"""Draws a comparison as one chart: accuracy against time, with memory as the area of the marks."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator
from matplotlib.transforms import Bbox

from mp09.compare.records import Comparison, Row
from mp09.compare.tables import published_weights
from mp09.errors import CompareError
from mp09.files import atomic_write
from mp09.plot_text import plottable

FILE = "chart.png"
BLUE, DARK = "#1f77b4", "0.25"
LARGEST, SMALLEST = 900.0, 30.0  # areas of marks, in square points
GAP = 3  # points between a mark and its name
MANY, LONGEST = 10, 44  # from MANY names on they stand in a list, with at most LONGEST letters each
DPI = 120
# Where a name may stand beside its mark, the best position first: its direction, and how the text is aligned there.
PLACES = (
    (0.7, 0.7, "left", "bottom"),
    (0.7, -0.7, "left", "top"),
    (-0.7, 0.7, "right", "bottom"),
    (-0.7, -0.7, "right", "top"),
    (1, 0, "left", "center"),
    (-1, 0, "right", "center"),
    (0, 1, "center", "bottom"),
    (0, -1, "center", "top"),
)


@dataclass(frozen=True)
class _Height:
    """What the vertical axis shows: its label, the value of a row, and the name that is written beside the mark."""

    label: str
    value: Callable[[Row], float | None]
    name: Callable[[Row], str] = lambda row: row.model


@dataclass(frozen=True)
class _Mark:
    """A model on the chart: its name, position, area, and the ends of the lines across and upright through it."""

    name: str
    x: float
    y: float
    area: float
    across: tuple[float, float]
    upright: tuple[float, float]


def chart(comparison: Comparison) -> Figure:
    """Draw accuracy against milliseconds an image.

    The accuracy is the measured top-1 with its 95 % interval. Where no images were classified, it is the published
    top-1, and without that the chart shows parameters. Models that lack what the chart shows are left out of it.
    """
    height = _height(comparison)
    shown = [(row, value) for row in comparison.rows if (value := height.value(row)) is not None]
    marks = _marks(shown, height)
    listed = [mark.name for mark in marks] if len(marks) >= MANY else []
    if listed:
        marks = [replace(mark, name=str(number)) for number, mark in enumerate(marks, 1)]
    figure = Figure(figsize=(12.5, 2.4 + 0.22 * max(len(marks), 14)) if listed else (9, 5.4), layout="constrained")
    axes = figure.subplots()
    for mark in marks:
        axes.plot(mark.across, (mark.y, mark.y), color=DARK, linewidth=1)
        axes.plot((mark.x, mark.x), mark.upright, color=DARK, linewidth=1)
    where = [mark.x for mark in marks], [mark.y for mark in marks]
    axes.scatter(*where, [mark.area for mark in marks], color=BLUE, alpha=0.45, linewidth=0)
    axes.scatter(*where, 8, color="black", zorder=3)
    axes.set_xscale("log")
    axes.margins(0.16, 0.14)
    axes.xaxis.set_major_formatter("{x:g}")
    left, right = axes.get_xlim()
    axes.xaxis.set_minor_locator(LogLocator(subs=(1.5, 2, 3, 5, 7) if right < 50 * left else (2, 5)))
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.set_xlabel("milliseconds an image (batch 1, median; the line: lowest and highest round)")
    axes.set_ylabel(height.label)
    axes.grid(alpha=0.3, which="both")
    axes.set_title(f"{comparison.settings.device}, {comparison.settings.precision}", fontsize=10)
    _explain_areas(axes, [row for row, _ in shown], low=bool(listed))
    if listed:
        _explain_numbers(axes, listed)
    _write_names(figure, axes, marks)
    return figure


def save(comparison: Comparison, folder: Path) -> Path:
    """Write chart.png into a folder, and return its path. Raises CompareError when that fails."""
    content = io.BytesIO()
    chart(comparison).savefig(content, format="png", dpi=DPI)
    path = Path(folder) / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            file.write(content.getvalue())
    except OSError as error:
        raise CompareError(f"{path}: could not be written ({error.strerror}).") from error
    return path


def _height(comparison: Comparison) -> _Height:
    rows, settings = comparison.rows, comparison.settings
    if any(row.top1 for row in rows):
        label = f"top-1 %, {settings.count} images of {plottable(str(settings.images))} (95 % interval)"
        return _Height(label, lambda row: 100 * row.top1.value if row.top1 else None)
    if any(row.published for row in rows):
        return _Height(
            "published top-1 % of the weights in brackets\n(nothing was classified here)",
            lambda row: row.published.top1 if row.published else None,
            lambda row: f"{row.model} ({published_weights(row)})",
        )
    return _Height("million parameters (nothing was classified here)", lambda row: row.parameters / 1e6)


def _marks(shown: Sequence[tuple[Row, float]], height: _Height) -> list[_Mark]:
    """Return a mark for each row, which comes with its value on the vertical axis."""
    marks = []
    for (row, y), area in zip(shown, _areas([row.memory_mib for row, _ in shown]), strict=True):
        low, high = (100 * end for end in row.top1.interval) if row.top1 else (y, y)
        across = min(row.medians), max(row.medians)
        marks.append(_Mark(height.name(row), row.flat()["latency_median_ms"], y, area, across, (low, high)))
    return marks


def _areas(memory: Sequence[float | None]) -> list[float]:
    """Return areas in proportion to the memory in MiB; marks whose memory is not known are all of one area."""
    most = max((value or 0.0 for value in memory), default=0.0)
    return [max(SMALLEST, LARGEST * value / most) if value and most else 4 * SMALLEST for value in memory]


def _explain_areas(axes: Axes, rows: Sequence[Row], *, low: bool) -> None:
    known = sorted({row.memory_mib for row in rows if row.memory_mib})
    if not known:
        return
    shown = sorted({known[0], known[-1]})
    for value, area in zip(shown, _areas(shown), strict=True):
        axes.scatter([], [], area, color=BLUE, alpha=0.45, linewidth=0, label=f"{value:.0f} MiB")
    axes.add_artist(
        axes.legend(
            title="peak memory, batch 1",
            frameon=False,
            labelspacing=2.6,
            loc="lower left" if low else "center left",
            bbox_to_anchor=(1.01, 0 if low else 0.5),
        )
    )


def _explain_numbers(axes: Axes, names: Sequence[str]) -> None:
    lines = [
        Line2D([], [], linestyle="", label=f"{number}  {plottable(_cut(name))}") for number, name in enumerate(names, 1)
    ]
    for text in axes.legend(
        handles=lines, frameon=False, handlelength=0, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1)
    ).get_texts():
        text.set_parse_math(False)


def _cut(name: str) -> str:
    """Return the name, without its middle when it is long."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half]}…{name[1 - half :]}"


def _write_names(figure: Figure, axes: Axes, marks: Sequence[_Mark]) -> None:
    """Write each name where it covers the least; another name, or leaving the frame, counts as nine marks or lines."""
    figure.draw_without_rendering()
    frame = axes.get_window_extent()
    drawn = [box for mark in marks for box in _covered(axes, mark)]
    names: list[Bbox] = []
    for mark in marks:
        reach = np.sqrt(mark.area / np.pi) + GAP
        texts = [
            axes.annotate(
                mark.name,
                (mark.x, mark.y),
                (right * reach, up * reach),
                textcoords="offset points",
                ha=across,
                va=along,
                fontsize=9,
                parse_math=False,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )
            for right, up, across, along in PLACES
        ]
        boxes = [text.get_window_extent() for text in texts]
        costs = [
            box.count_overlaps(drawn) + 9 * box.count_overlaps(names) + 9 * (not _inside(box, frame)) for box in boxes
        ]
        best = costs.index(min(costs))
        names.append(boxes[best])
        for text in (*texts[:best], *texts[best + 1 :]):
            text.remove()


def _covered(axes: Axes, mark: _Mark) -> list[Bbox]:
    """Return the boxes, in pixels, that a mark and its two lines cover."""
    x, y = axes.transData.transform((mark.x, mark.y))
    half = 0.7 * np.sqrt(mark.area / np.pi) * axes.figure.dpi / 72  # half the side of a square in the disk
    (left, _), (right, _) = (axes.transData.transform((end, mark.y)) for end in mark.across)
    (_, low), (_, high) = (axes.transData.transform((mark.x, end)) for end in mark.upright)
    return [
        Bbox.from_extents(x - half, y - half, x + half, y + half),
        Bbox.from_extents(left, y - 1, right, y + 1),
        Bbox.from_extents(x - 1, low, x + 1, high),
    ]


def _inside(box: Bbox, frame: Bbox) -> bool:
    return frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
