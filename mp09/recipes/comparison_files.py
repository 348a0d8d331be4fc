"""Writes what a comparison found into a folder: tables, a chart, and a panel for each image and model."""

import re
from collections.abc import Sequence
from pathlib import Path

from mp09.compare import chart, records
from mp09.compare.records import Comparison
from mp09.data.archives import Progress
from mp09.data.labels import Label
from mp09.errors import CompareError
from mp09.files import atomic_write
from mp09.inference.panel import panel
from mp09.inference.predictor import Guess, Prediction
from mp09.recipes.compare_worker import Guesses
from mp09.recipes.labelled import Labelled, folder_of

DPI = 100
PANELS = "panels"


def make_folder(out: Path, images: str | Path | None) -> None:
    """Make the folder for results. Raises CompareError when that fails, or when it lies among the images."""
    inner = Path(out).resolve()
    if images is not None and folder_of(images).resolve() in (inner, *inner.parents):
        raise CompareError(f"{out}: lies among the images; choose another --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompareError(f"{out}: could not be made ({error.strerror}).") from error


def write(comparison: Comparison, out: Path) -> None:
    """Write tables and chart, after what an earlier comparison wrote is removed. Raises CompareError on failure."""
    _clear(out)
    records.write(comparison, out)
    chart.save(comparison, out)


def _clear(out: Path) -> None:
    """Remove what an earlier comparison wrote. Raises CompareError when that fails."""
    try:
        for old in (*(out / name for name in (*records.FILES, chart.FILE)), *out.glob(f"{PANELS}/*/[0-9]*_*.png")):
            old.unlink(missing_ok=True)
        for folder in out.glob(f"{PANELS}/*"):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        raise CompareError(f"{out}: could not be written to ({error.strerror}).") from error


def write_panels(
    out: Path, model: str, labelled: Labelled, guesses: Guesses, outputs: Sequence[Label], progress: Progress
) -> None:
    """Write a model's panels as panels/<model>/<number>_<file>.png. Raises CompareError when that fails."""
    folder = Path(out) / PANELS / re.sub(r"[:/\\]", "_", model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, row in enumerate(guesses):
            top = tuple(Guess(place, str(outputs[place]), probability) for place, probability in row)
            image = labelled.read(index).transpose(1, 2, 0)
            figure = panel(image, Prediction(top, 0.0), str(labelled.label(index)))
            with atomic_write(folder / f"{index:04}_{labelled.stem(index)}.png") as file:
                figure.savefig(file, format="png", dpi=DPI)
            progress(f"panels, {model}", index + 1, len(guesses))
    except OSError as error:
        raise CompareError(f"{folder}: the panels could not be written there ({error.strerror}).") from error
