"""Compares models side by side, each in a process of its own, and times them by turns.

This is the work of `python -m mp09 compare`.
"""

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from mp09.compare.accuracy import share_within
from mp09.compare.records import Comparison, Conditions, PublishedFigures, Row, Turn
from mp09.compare.workers import Team, by_turns
from mp09.data.archives import Progress
from mp09.device import choose_device, fast_dtype
from mp09.errors import CompareError, Mp09Warning
from mp09.inference.predictor import TOP
from mp09.nets.catalog import Figures, figures
from mp09.precision import AUTO, FLOAT32
from mp09.recipes import comparison_files
from mp09.recipes.compare_worker import Classify, Facts, Guesses, Load, Time, Timed
from mp09.recipes.labelled import Labelled, check_readable, open_labelled
from mp09.recipes.model_list import Wanted, parse
from mp09.recipes.output_labels import check_classes, outputs_of, read_classes, truths_of
from mp09.recipes.progress import no_progress

WORKER = "mp09.recipes.compare_worker"


@dataclass(frozen=True)
class CompareOptions:
    """Says how models are compared.

    Attributes:
        weights: The weights of models that name none: "default", "none", or a name of torchvision's.
        samples: How many images are classified, from all over the folder; None takes all.
        classes: Text files with the names of outputs, for models whose weights don't say them. The one that has as
            many names as a model has outputs is taken.
        batch: Images in a batch, for throughput and accuracy.
        rounds: How many times each model has its turn.
        runs: Passes at batch 1 in a turn.
        device: "auto" for the fastest one, "cpu", "cuda" or "mps".
        precision: "float32", "bfloat16", or "auto": what MP09_PRECISION says, or else the faster one.
        panels: Draw, for every image and model, the likeliest classes beside the image.
    """

    weights: str = "default"
    samples: int | None = None
    classes: Sequence[Path] = ()
    batch: int = 32
    rounds: int = 5
    runs: int = 20
    device: str = AUTO
    precision: str = FLOAT32
    panels: bool = False

    def check(self, images: str | Path | None) -> None:
        """Raise CompareError for options that mean nothing without images."""
        only_with = {"samples": self.samples, "classes": self.classes, "panels": self.panels}
        if images is None and (idle := [name for name, value in only_with.items() if value]):
            raise CompareError(f"{', '.join(idle)}: of no use without images. Name a folder of labelled ones.")


def compare_models(
    models: str,
    images: str | Path | None = None,
    options: CompareOptions = CompareOptions(),
    *,
    out: Path | None = None,
    progress: Progress = no_progress,
) -> Comparison:
    """Measure models side by side, and write tables, a chart and panels into `out`.

    Every model has a process of its own, and they take turns, so that a slow minute of the machine affects all of them.
    What goes wrong with one model is noted, and the others are measured. Accuracies come with Wilson's 95 % interval
    (1927).

    Args:
        models: Names of models with commas between them, as `backbone` takes them. A colon may stand before weights of
            a model's own, for example "resnet50,alexnet:none,resnet18-32:mine.pt".
        images: A folder of labelled images: one with labels.tsv or with one sub-folder for each class, Tiny ImageNet
            (its validation split), or cifar10_batches (its test split). None measures no accuracy.
        options: How they are compared.
        out: The folder for results.csv, results.json, chart.png and panels; None writes nothing.
        progress: Is told what is done, as (what, how much, of how much).

    Returns:
        A record with `rows`, one for each model that was measured; `settings`, which say how; and `notes`, which say by
        the name of a model what could not be measured. A row has `latencies` in milliseconds, `rates` in images a
        second, peak memory in MiB, `parameters`, `gmacs` (1e9 multiplications with additions for an image), and the
        accuracies `top1` and `top5`; its method `flat` returns all as plain values.

    Raises:
        ModelError: There is no such model.
        CompareError: No model is asked for, or one is twice; options are given that need images; no model can be judged
            by the images; no model needs the names in a file of `classes`, or two such files have as many names; or
            `out` can't be written or lies among the images.
        DataError: There are no labelled images, some can't be read, or a file of `classes` can't be read.
        DeviceError: There is no such device.
    """
    wanted = parse(models, options.weights)
    options.check(images)
    precision = _precision(options)
    named = read_classes(options.classes)
    labelled = None
    if images is not None:
        labelled = open_labelled(images, options.samples)
        check_readable(labelled)
    if out:
        comparison_files.make_folder(Path(out), images)
    with Team(WORKER) as team:
        facts = _load(team, wanted, options, precision, progress)
        for note in dict.fromkeys(found.note for found in facts.values() if found.note):
            warnings.warn(note, Mp09Warning, stacklevel=2)
        if not team.failures:
            check_classes(named, facts)
        outputs = {text: outputs_of(found, named) for text, found in facts.items()}
        truths, notes = truths_of(labelled, outputs, team.failures) if labelled else ({}, {})
        guesses, more = _classify(team, truths, str(images), options.samples, progress)
        watch = partial(progress, "timing")
        turns = by_turns(team, options.rounds, Time(options.runs), watch=watch)
    notes |= {**more, **{text: f"not measured: {words}" for text, words in team.failures.items()}}
    rows = [
        _row(one, facts[one.text], turns[one.text], truths.get(one.text), guesses.get(one.text))
        for one in wanted
        if one.text in turns
    ]
    comparison = Comparison(tuple(rows), _settings(labelled, options, facts), notes)
    if out and rows:
        comparison_files.write(comparison, out)
        if labelled and options.panels:
            for model, row in guesses.items():
                if model in turns:
                    comparison_files.write_panels(out, model, labelled, row, outputs[model], progress)
    return comparison


def _precision(options: CompareOptions) -> str:
    """Return the precision that all models are measured in."""
    device = choose_device(options.device)
    if options.precision == AUTO:
        return str(fast_dtype(device)).removeprefix("torch.")
    return options.precision


def _settings(labelled: Labelled | None, options: CompareOptions, facts: Mapping[str, Facts]) -> Conditions:
    """Return what the tables and the chart say about how it was measured."""
    first = next(iter(facts.values()), None)
    return Conditions(
        images=labelled.name if labelled else None,
        count=len(labelled) if labelled else 0,
        batch=options.batch,
        rounds=options.rounds,
        runs=options.runs,
        device=first.device if first else None,
        precision=first.precision if first else None,
        memory=first.memory if first else None,
        torch=torch.__version__,
    )


def _classify(
    team: Team, texts: Collection[str], images: str, samples: int | None, progress: Progress
) -> tuple[dict[str, Guesses], dict[str, str]]:
    """Have models classify the images; return their guesses, and notes about those whose outputs are not numbers."""
    guesses: dict[str, Guesses] = {}
    notes: dict[str, str] = {}
    for done, text in enumerate(texts, 1):
        answer = team.ask(text, Classify(images, samples))
        if answer and any(math.isnan(share) for row in answer.guesses for _, share in row):
            notes[text] = "accuracy not measured: some of its outputs are not numbers"
        elif answer:
            guesses[text] = answer.guesses
        progress("classifying", done, len(texts))
    return guesses, notes


def _load(
    team: Team, wanted: Sequence[Wanted], options: CompareOptions, precision: str, progress: Progress
) -> dict[str, Facts]:
    """Start a worker for each model, have them load one after the other, and return what they tell by model."""
    facts = {}
    for one in wanted:
        team.hire(one.text)
    for done, one in enumerate(wanted, 1):
        request = Load(one.model, one.weights, options.device, precision, options.batch)
        if answer := team.ask(one.text, request):
            facts[one.text] = answer
        progress("loading", done, len(wanted))
    return facts


def _row(
    wanted: Wanted,
    facts: Facts,
    turns: Sequence[tuple[float, Timed]],
    truths: Sequence[int] | None,
    guesses: Guesses | None,
) -> Row:
    places = [[place for place, _ in row] for row in guesses or ()]
    known = figures(wanted.model, facts.weights.rpartition(".")[2])
    return Row(
        model=wanted.text,
        weights=facts.weights,
        outputs=facts.outputs,
        size=facts.size,
        parameters=facts.parameters,
        gmacs=facts.gmacs,
        weights_mib=facts.weights_mib,
        weights_in=facts.weights_in,
        memory_mib=facts.memory_mib,
        batch_memory_mib=facts.batch_memory_mib,
        turns=tuple(Turn(began_s, tuple(timed.latency_ms), timed.rate) for began_s, timed in turns),
        top1=share_within(truths, places, 1) if truths and places else None,
        top5=share_within(truths, places, TOP) if truths and places and facts.outputs > TOP else None,
        published=_published(known) if (known.outputs, known.size) == (facts.outputs, facts.size) else None,
    )


def _published(known: Figures) -> PublishedFigures:
    """Return those of the published figures that a comparison shows."""
    return PublishedFigures(
        known.weights, known.on, known.top1, known.top5, known.parameters, known.gmacs, known.file_mib
    )
