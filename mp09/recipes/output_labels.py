"""Decides what the outputs of compared models mean, and which output is right for an image."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mp09.data.labels import Label, Matcher, labels_of, read_outputs
from mp09.errors import CompareError, DataError
from mp09.recipes.compare_worker import Facts
from mp09.recipes.labelled import Labelled


def read_classes(files: Sequence[Path]) -> dict[int, tuple[Label, ...]]:
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


def check_classes(named: Collection[int], facts: Mapping[str, Facts]) -> None:
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


def outputs_of(facts: Facts, named: Mapping[int, tuple[Label, ...]]) -> tuple[Label, ...]:
    """Return what a model's outputs mean; empty when that is not known."""
    if _is_nameless(facts) and (found := named.get(facts.outputs)):
        return found
    if facts.wnids:
        pairs = zip(facts.classes, facts.wnids, strict=True)
        return tuple(Label((name,), wnid, index) for index, (name, wnid) in enumerate(pairs))
    return labels_of(facts.classes)


def truths_of(
    labelled: Labelled, outputs: Mapping[str, tuple[Label, ...]], failures: Mapping[str, str]
) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Return the right output for every image, by the models that know its class, and notes about the other models.

    Args:
        labelled: the images.
        outputs: what each model's outputs mean, by its text.
        failures: what went wrong with models that are not among these; an error tells it, too.

    Raises:
        CompareError: no model can be judged by these images.
    """
    truths: dict[str, list[int]] = {}
    notes: dict[str, str] = {}
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
    if not truths:
        words = "; ".join(f"{text}: {note}" for text, note in {**failures, **notes}.items())
        raise CompareError(f"{labelled.name}: these models can't be judged by these images. {words}")
    return truths, notes
