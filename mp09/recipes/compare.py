"""`python -m mp09 compare`: networks side by side, each in a process of its own, timed by turns."""

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from mp09.compare import chart, records
from mp09.compare.accuracy import share_within
from mp09.compare.records import Comparison, Row, Turn
from mp09.compare.workers import Team, by_turns
from mp09.data.labels import Label, Matcher, labels_of, read_outputs
from mp09.device import choose_device, fast_dtype
from mp09.errors import CompareError, DataError
from mp09.files import atomic_write
from mp09.inference.panel import panel
from mp09.inference.predictor import TOP, Guess, Prediction
from mp09.nets.catalog import figures
from mp09.nets.published import check_name
from mp09.recipes.labelled import Labelled, check_readable, folder_of, open_labelled
from mp09.recipes.progress import Progress, no_progress

WORKER = "mp09.recipes.compared"
DPI = 100
PANELS = "panels"
Guesses = list[list[tuple[int, float]]]  # of every picture its likeliest outputs and their probabilities


@dataclass(frozen=True)
class Wanted:
    """A network and its weights, as `published` takes them; text: as it was asked for."""

    network: str
    weights: str
    text: str


def parse(text: str, weights: str = "default") -> list[Wanted]:
    """Read "resnet50,alexnet:none,resnet18-32:mine.pt"; `weights` is for those that name none.

    Raises NetworkError for an unknown network, CompareError when nothing or something is asked for twice.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise CompareError("networks: expected one name or more, with commas between them, got none.")
    if twice := [part for part, times in Counter(parts).items() if times > 1]:
        raise CompareError(f"networks: expected each once, got {', '.join(twice)} more than once.")
    short = {part: _shorten(part) for part in parts}
    wanted = []
    for part in parts:
        network, _, own = part.partition(":")
        check_name(network)
        alone = list(short.values()).count(short[part]) == 1
        wanted.append(Wanted(network, own or weights, short[part] if alone else part))
    return wanted


def _shorten(part: str) -> str:
    """Of a file its name."""
    network, colon, own = part.partition(":")
    return network + colon + Path(own).name


def compare(
    wanted: Sequence[Wanted],
    *,
    pictures: str | Path | None = None,
    samples: int | None = None,
    classes: Sequence[Path] = (),
    batch: int = 32,
    rounds: int = 5,
    runs: int = 20,
    device: str = "auto",
    precision: str = "float32",
    out: Path | None = None,
    panels: bool = False,
    progress: Progress = no_progress,
) -> Comparison:
    """Measure networks, and write tables, chart and panels into `out`.

    What befalls one network is noted, and the others are measured.

    Args:
        pictures: as `open_labelled` takes them; None measures no accuracy.
        samples: so many of them.
        classes: text files with the names of outputs, for networks whose weights don't say them: the one that has as
            many names as a network has outputs is taken.
        rounds, runs: in every round each network has its turn, with so many passes at batch 1.
        precision: "float32", "bfloat16", or "auto": what MP09_PRECISION says, else the faster one.
        panels: draw of every picture and network the likeliest classes beside the picture.

    Raises:
        CompareError, DataError, DeviceError
    """
    only_with = {"samples": samples, "classes": classes, "panels": panels}
    if pictures is None and (idle := [name for name, value in only_with.items() if value]):
        raise CompareError(f"{', '.join(idle)}: of no use without pictures. Name a folder of labelled ones.")
    place = choose_device(device)
    if precision == "auto":  # the same for all
        precision = str(fast_dtype(place)).removeprefix("torch.")
    named = _read_classes(classes)
    labelled = None
    if pictures is not None:
        labelled = open_labelled(pictures, samples)
        check_readable(labelled)
    if out:
        _check_place(Path(out), pictures)
    with Team(WORKER) as team:
        facts = _load(team, wanted, progress, device=device, precision=precision, batch=batch)
        if not team.failures:
            _check_classes(named, facts)
        outputs = {text: _outputs(found, named) for text, found in facts.items()}
        truths, notes = _truths(labelled, outputs) if labelled else ({}, {})
        if labelled and not truths:
            words = "; ".join(f"{text}: {note}" for text, note in {**team.failures, **notes}.items())
            raise CompareError(f"{labelled.name}: these networks can't be judged by these pictures. {words}")
        guesses: dict[str, Guesses] = {}
        for done, text in enumerate(truths, 1):
            answer = team.ask(text, do="classify", pictures=str(pictures), samples=samples)
            if answer and any(math.isnan(share) for row in answer["guesses"] for _, share in row):
                notes[text] = "accuracy not measured: some of its outputs are not numbers"
            elif answer:
                guesses[text] = answer["guesses"]
            progress("classifying", done, len(truths))
        turns = by_turns(team, rounds, watch=lambda done, total: progress("timing", done, total), do="time", runs=runs)
    notes |= {text: f"not measured: {words}" for text, words in team.failures.items()}
    rows = [
        _row(one, facts[one.text], turns[one.text], truths.get(one.text), guesses.get(one.text))
        for one in wanted
        if one.text in turns
    ]
    first = next(iter(facts.values()), {})
    settings = {
        "pictures": labelled and labelled.name,
        "count": len(labelled) if labelled else 0,
        "batch": batch,
        "rounds": rounds,
        "runs": runs,
        **{name: first.get(name) for name in ("device", "precision", "memory")},
        "torch": torch.__version__,
    }
    comparison = Comparison(tuple(rows), settings, notes)
    if out and rows:
        _make_room(out)
        records.write(comparison, out)
        chart.save(comparison, out)
        if labelled and panels:
            for row in rows:
                if row.network in guesses:
                    _panels(out, row.network, labelled, guesses[row.network], outputs[row.network], progress)
    return comparison


def _check_place(out: Path, pictures: str | Path | None) -> None:
    """Make the folder. Raises CompareError when that fails, or when it lies among the pictures."""
    inner = Path(out).resolve()
    if pictures is not None and folder_of(pictures).resolve() in (inner, *inner.parents):
        raise CompareError(f"{out}: lies among the pictures; choose another --out.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CompareError(f"{out}: could not be made ({error.strerror}).") from error


def _make_room(out: Path) -> None:
    """Remove what an earlier comparison wrote. Raises CompareError."""
    try:
        for old in (*(out / name for name in (*records.FILES, chart.FILE)), *out.glob(f"{PANELS}/*/[0-9]*_*.png")):
            old.unlink(missing_ok=True)
        for folder in out.glob(f"{PANELS}/*"):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        raise CompareError(f"{out}: could not be written to ({error.strerror}).") from error


def _load(team: Team, wanted: Sequence[Wanted], progress: Progress, **how: Any) -> dict[str, dict[str, Any]]:
    """Start a worker for each network, and have them load one after the other; what they tell."""
    facts = {}
    for one in wanted:
        team.hire(one.text)
    for done, one in enumerate(wanted, 1):
        answer = team.ask(one.text, do="load", network=one.network, weights=one.weights, **how)
        if answer:
            facts[one.text] = answer
        progress("loading", done, len(wanted))
    return facts


def _read_classes(files: Sequence[Path]) -> dict[int, tuple[Label, ...]]:
    """Number of outputs -> what they mean. Raises DataError, or CompareError when two files have as many names."""
    named: dict[int, tuple[Label, ...]] = {}
    for path in files:
        labels = read_outputs(path)
        if len(labels) in named:
            raise CompareError(f"classes: {path} has {len(labels)} names, as another file has; which one is meant?")
        named[len(labels)] = labels
    return named


def _check_classes(named: Collection[int], facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise CompareError for names that no network needs."""
    counts = {found["outputs"] for found in facts.values() if _is_nameless(found)}
    if not counts and named:
        raise CompareError("classes: of no use, as the weights of these networks say what their outputs mean.")
    if idle := sorted(set(named) - counts):
        given, needed = (" and ".join(map(str, numbers)) for numbers in (idle, sorted(counts)))
        raise CompareError(f"classes: {given} names given. Networks that don't know theirs have {needed} outputs.")


def _is_nameless(facts: Mapping[str, Any]) -> bool:
    """Whether the weights don't say what their outputs mean."""
    return facts["guessed"] or not facts["classes"]


def _outputs(facts: Mapping[str, Any], named: Mapping[int, tuple[Label, ...]]) -> tuple[Label, ...]:
    """What a network's outputs mean; empty when that is not known."""
    if _is_nameless(facts) and (found := named.get(facts["outputs"])):
        return found
    if facts["wnids"]:
        pairs = zip(facts["classes"], facts["wnids"], strict=True)
        return tuple(Label((name,), wnid, index) for index, (name, wnid) in enumerate(pairs))
    return labels_of(facts["classes"])


def _truths(
    labelled: Labelled, outputs: Mapping[str, tuple[Label, ...]]
) -> tuple[dict[str, list[int]], dict[str, str]]:
    """For each network that knows the pictures' classes the output of every picture, and for the others why not."""
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
        truths[text] = [places[label] for label in labelled.pictures.labels]
    return truths, notes


def _row(
    wanted: Wanted,
    facts: Mapping[str, Any],
    turns: Sequence[Mapping[str, Any]],
    truths: Sequence[int] | None,
    guesses: Guesses | None,
) -> Row:
    places = [[place for place, _ in row] for row in guesses or ()]
    known = figures(wanted.network, facts["weights"].rpartition(".")[2])
    kept = ("weights", "weights_mib", "weights_in", "outputs", "size", "parameters", "gmacs")
    return Row(
        network=wanted.text,
        **{name: facts[name] for name in (*kept, "memory_mib", "batch_memory_mib")},
        turns=tuple(Turn(turn["began_s"], tuple(turn["latency_ms"]), turn["rate"]) for turn in turns),
        top1=share_within(truths, places, 1) if places else None,
        top5=share_within(truths, places, TOP) if places and facts["outputs"] > TOP else None,
        published=asdict(known) if (known.outputs, known.size) == (facts["outputs"], facts["size"]) else {},
    )


def _panels(
    out: Path, network: str, labelled: Labelled, guesses: Guesses, outputs: Sequence[Label], progress: Progress
) -> None:
    """Write panels/<network>/<number>_<file>.png. Raises CompareError when that fails."""
    folder = Path(out) / PANELS / re.sub(r"[:/\\]", "_", network)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index, row in enumerate(guesses):
            top = tuple(Guess(place, str(outputs[place]), probability) for place, probability in row)
            image = labelled.read(index).transpose(1, 2, 0)
            figure = panel(image, Prediction(top, 0.0), str(labelled.label(index)))
            with atomic_write(folder / f"{index:04}_{labelled.stem(index)}.png") as file:
                figure.savefig(file, format="png", dpi=DPI)
            progress(f"panels, {network}", index + 1, len(guesses))
    except OSError as error:
        raise CompareError(f"{folder}: the panels could not be written there ({error.strerror}).") from error
