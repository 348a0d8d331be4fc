"""Compares models side by side, each in a process of its own, and times them by turns.

This is the work of `python -m mp09 compare`.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from mp09.compare import chart, records
from mp09.compare.accuracy import share_within
from mp09.compare.records import Comparison, Conditions, PublishedFigures, Row, Turn
from mp09.compare.workers import Team, by_turns
from mp09.data.archives import Progress
from mp09.data.labels import Label, Matcher, labels_of, read_outputs
from mp09.device import choose_device, fast_dtype
from mp09.errors import CompareError, DataError
from mp09.files import atomic_write
from mp09.inference.panel import panel
from mp09.inference.predictor import TOP, Guess, Prediction
from mp09.nets.catalog import Figures, figures
from mp09.nets.published import check_name
from mp09.precision import AUTO, FLOAT32
from mp09.recipes.compare_worker import Classify, Facts, Guesses, Load, Time, Timed
from mp09.recipes.labelled import Labelled, check_readable, folder_of, open_labelled
from mp09.recipes.progress import no_progress

WORKER = "mp09.recipes.compare_worker"
DPI = 100
PANELS = "panels"


@dataclass(frozen=True)
class Wanted:
    """Names a model that is to be compared.

    Attributes:
        model: The model's name, as `published` takes it.
        weights: Its weights, as `published` takes them.
        text: What the results call it: as it was asked for, but a file of weights by its name alone, unless two models
            would then be called the same.
    """

    model: str
    weights: str
    text: str


def parse(text: str, weights: str = "default") -> list[Wanted]:
    """Read which models are asked for.

    Args:
        text: Names with commas between them, where a colon stands before weights of a model's own, for example
            "resnet50,alexnet:none,resnet18-32:mine.pt".
        weights: The weights of models that name none.

    Raises:
        ModelError: There is no such model.
        CompareError: None is asked for, or one is asked for twice.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise CompareError("models: expected one name or more, with commas between them, got none.")
    if twice := [part for part, times in Counter(parts).items() if times > 1]:
        raise CompareError(f"models: expected each once, got {', '.join(twice)} more than once.")
    short = {part: _shorten(part) for part in parts}
    wanted = []
    for part in parts:
        model, _, own = part.partition(":")
        check_name(model)
        alone = list(short.values()).count(short[part]) == 1
        wanted.append(Wanted(model, own or weights, short[part] if alone else part))
    return wanted


def _shorten(part: str) -> str:
    """Return a part of the text with nothing but the name of a file of weights."""
    model, colon, own = part.partition(":")
    return model + colon + Path(own).name


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
    named = _read_classes(options.classes)
    labelled = None
    if images is not None:
        labelled = open_labelled(images, options.samples)
        check_readable(labelled)
    if out:
        _check_place(Path(out), images)
    with Team(WORKER) as team:
        facts = _load(team, wanted, options, precision, progress)
        if not team.failures:
            _check_classes(named, facts)
        outputs = {text: _outputs(found, named) for text, found in facts.items()}
        truths, notes = _truths_of(labelled, outputs, team) if labelled else ({}, {})
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
        _make_room(out)
        records.write(comparison, out)
        chart.save(comparison, out)
        if labelled and options.panels:
            for model, row in guesses.items():
                if model in turns:
                    _panels(out, model, labelled, row, outputs[model], progress)
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


def _truths_of(
    labelled: Labelled, outputs: Mapping[str, tuple[Label, ...]], team: Team
) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Return what `_truths` returns. Raises CompareError when no model can be judged by these images."""
    truths, notes = _truths(labelled, outputs)
    if not truths:
        words = "; ".join(f"{text}: {note}" for text, note in {**team.failures, **notes}.items())
        raise CompareError(f"{labelled.name}: these models can't be judged by these images. {words}")
    return truths, notes


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


def _check_place(out: Path, images: str | Path | None) -> None:
    """Make the folder for results. Raises CompareError when that fails, or when it lies among the images."""
    inner = Path(out).resolve()
    if images is not None and folder_of(images).resolve() in (inner, *inner.parents):
        raise CompareError(f"{out}: lies among the images; choose another --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompareError(f"{out}: could not be made ({error.strerror}).") from error


def _make_room(out: Path) -> None:
    """Remove what an earlier comparison wrote. Raises CompareError when that fails."""
    try:
        for old in (*(out / name for name in (*records.FILES, chart.FILE)), *out.glob(f"{PANELS}/*/[0-9]*_*.png")):
            old.unlink(missing_ok=True)
        for folder in out.glob(f"{PANELS}/*"):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        raise CompareError(f"{out}: could not be written to ({error.strerror}).") from error


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


def _read_classes(files: Sequence[Path]) -> dict[int, tuple[Label, ...]]:
    """Return what outputs mean, by their number.

    Raises DataError when a file can't be read, and CompareError when two files have the same number of names.
    """
    named: dict[int, tuple[Label, ...]] = {}
    for path in files:
        labels = read_outputs(path)
        if len(labels) in named:
            raise CompareError(f"classes: {path} has {len(labels)} names, as another file has; which one is meant?")
        named[len(labels)] = labels
    return named


def _check_classes(named: Collection[int], facts: Mapping[str, Facts]) -> None:
    """Raise CompareError for names that no model needs."""
    counts = {found.outputs for found in facts.values() if _is_nameless(found)}
    if not counts and named:
        raise CompareError("classes: of no use, as the weights of these models say what their outputs mean.")
    if idle := sorted(set(named) - counts):
        given, needed = (" and ".join(map(str, numbers)) for numbers in (idle, sorted(counts)))
        raise CompareError(f"classes: {given} names given. Models that don't know theirs have {needed} outputs.")


def _is_nameless(facts: Facts) -> bool:
    """Return whether the weights don't say what their outputs mean."""
    return facts.guessed or not facts.classes


def _outputs(facts: Facts, named: Mapping[int, tuple[Label, ...]]) -> tuple[Label, ...]:
    """Return what a model's outputs mean; empty when that is not known."""
    if _is_nameless(facts) and (found := named.get(facts.outputs)):
        return found
    if facts.wnids:
        pairs = zip(facts.classes, facts.wnids, strict=True)
        return tuple(Label((name,), wnid, index) for index, (name, wnid) in enumerate(pairs))
    return labels_of(facts.classes)


def _truths(
    labelled: Labelled, outputs: Mapping[str, tuple[Label, ...]]
) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Return the right output for every image, by the models that know its class, and notes about the other models."""
    truths, notes = {}, {}
    for text, own in outputs.items():
        if not own:
            notes[text] = "accuracy not measured: the names of its outputs are not known; give them with --classes"
            continue
        try:
            places = Matcher(own).match(labelled.labels)
        except DataError as error:
            notes[text] = f"accuracy not measured: it {error}"
            continue
        truths[text] = [places[label] for label in labelled.images.labels]
    return truths, notes


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


def _panels(
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
