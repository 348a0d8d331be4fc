"""Find by experiment what costs a trained model its accuracy.

The model is evaluated again on some of the test images, each time with one of the `interventions` made. A change
explains the accuracy when it recovers enough of what is missing, and still does on a larger sample if there is time for
one. When none does, a new linear head is trained on the model's own features. If that one reaches the goal, the
features are fine and the head has not learned enough; otherwise features or data are at fault.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Protocol

import numpy as np

from mp09.data.cifar import CIFAR10, CLASSES
from mp09.grading import rubric
from mp09.grading.diagnose.learning import why_not_learned
from mp09.grading.interventions import BY_KEY, INTERVENTIONS, REFIT, Intervention
from mp09.grading.sandbox.conversation import TrainingFacts

GOAL = rubric.ACCURACY_STEPS[-1]
LEAST_GAIN = 0.05  # a change explains an accuracy when it recovers at least so much,
LEAST_SHARE = 0.5  # and at least this share of what is missing to GOAL
SIMILAR = 0.02  # two changes whose accuracies differ by less help equally
ORDER_FROM = 0.8  # the outputs' best order counts from this accuracy on, because some order suits even guesses a little
OTHER_BATCHES = (rubric.BATCH_SIZE, 40)  # sizes of batches, on which a model's answers must not depend
STEADYING = ("cause-eval-mode", "cause-normalised")  # changes after which no answer depends on chance
UNSTEADY = 4  # so many images must get another class in the other batches, or there is nothing to explain,
STEADIER = 4  # and this times fewer with a change, or it explains nothing
ORDERS = np.array(list(permutations(range(len(CLASSES)))))
OF_TEN = np.array([CLASSES.index(name) if name in CLASSES else -1 for name in CIFAR10])  # class of ten -> of eight
# What a new head gets, too, when it is not good enough by itself: these put right whatever images went through.
IN_TRAINING = ("cause-normalised", "cause-statistics")
IN_TRAINING_TOO = (
    "In training and at test alike, the backbone gets images in another form than those it was trained on. Look at the "
    "dataset and at both transforms."
)
OLD_HEAD = (
    "The last layer is still that of resnet18.pt, which knows ten classes, cat and dog included. Put a new "
    "nn.Linear(512, 8) in its place, use it in forward(), and train it."
)
FEATURES = (
    "The features that reach the head don't tell the classes apart well enough. Is resnet18.pt loaded and frozen, does "
    "the head get what the average pooling gives, and are images normalised with MEAN and STD?"
)

RANDOM = "cause-random"  # the answers depend on the batch because something changes the images at random


class Ask(Protocol):
    """Returns the classes of the first `count` images of the sample, int64 (count,); None when there is no answer.

    The images come in batches of `batch_size`, with the interventions of these keys made.
    """

    def __call__(
        self, changes: Sequence[str], count: int = rubric.SCREENING_IMAGES, batch_size: int = rubric.BATCH_SIZE
    ) -> np.ndarray | None: ...


AskFacts = Callable[[], TrainingFacts | None]  # tells what was seen of the training; None when there is no answer


@dataclass(frozen=True)
class Numbering:
    """Describes a way to number the outputs; its texts are like those of an `Intervention`.

    Attributes:
        renumber: gets the classes and the labels of the sample, int64 (N,), and returns classes.
    """

    key: str
    renumber: Callable[[np.ndarray, np.ndarray], np.ndarray]
    found: str
    remedy: str


@dataclass(frozen=True)
class Experiment:
    """Holds what came of an experiment.

    Attributes:
        changes: the keys of the interventions.
        accuracy: the accuracy on the first images of the sample, 0 to 1.
        images: how many they are.
        numbering: how the outputs are numbered then, if that explains more.
    """

    changes: tuple[str, ...]
    accuracy: float
    images: int
    numbering: Numbering | None = None

    @property
    def parts(self) -> list[Intervention | Numbering]:
        """List what was changed, the most important first; a new head is left out."""
        made = [BY_KEY[key] for key in self.changes if key != REFIT.key]
        return [*made, *([self.numbering] if self.numbering else [])]

    @property
    def words(self) -> str:
        return " and ".join(part.found for part in self.parts)


@dataclass(frozen=True)
class Cause:
    """Names what costs accuracy.

    Attributes:
        key: an anchor in docs/student.md.
        found: what was found, e.g. "0.93 with the file's images in 0..1".
        remedy: what it means, and what to do.
        images: how many images that was seen on.
    """

    key: str
    found: str
    remedy: str
    images: int


@dataclass(frozen=True)
class Evidence:
    """Holds what experiments showed.

    Attributes:
        known: the best accuracy that the trained model itself reached with anything changed, 0 to 1.
        cause: what costs accuracy; None where nothing explains it.
    """

    known: float
    cause: Cause | None = None


def _in_best_order(classes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the classes renamed one for one so that most of them are right; unchanged below ORDER_FROM."""
    possible = (classes >= 0) & (classes < len(CLASSES))
    counts = np.zeros((len(CLASSES), len(CLASSES)))
    np.add.at(counts, (classes[possible], labels[possible]), 1)
    totals = counts[np.arange(len(CLASSES)), ORDERS].sum(axis=1)
    if totals.max() < ORDER_FROM * len(labels):
        return classes
    return np.where(possible, ORDERS[totals.argmax()][np.where(possible, classes, 0)], -1)


TEN_CLASSES = Numbering(
    "cause-ten-classes",
    lambda classes, _: np.where((classes >= 0) & (classes < len(OF_TEN)), OF_TEN[np.clip(classes, 0, 9)], -1),
    "outputs numbered like CIFAR-10's ten classes",
    "Your labels are those of ten classes, cat and dog included. Use the labels 0..7 as they stand in the files.",
)
NUMBERINGS = (
    TEN_CLASSES,
    Numbering(
        "cause-shifted",
        lambda classes, _: (classes - 1) % len(CLASSES),
        "outputs numbered from 1",
        "Training labels were one too high. Use the labels 0..7 as they stand in the files.",
    ),
    Numbering(
        "cause-order",
        _in_best_order,
        "outputs in another order",
        "The model tells the classes apart and numbers them otherwise. Use the labels 0..7 as they stand in the files.",
    ),
)

FOUND = {one.key: one.found for one in (*INTERVENTIONS, *NUMBERINGS)} | {
    RANDOM: "images that nothing changes at random"
}


def is_cause(key: str) -> bool:
    """Return whether the key of a diagnosis says what costs accuracy."""
    return key.startswith(("cause-", "learning-"))


def explains(before: float, after: float) -> bool:
    """Return whether a change that brings an accuracy from `before` to `after` explains it."""
    return after - before >= max(LEAST_GAIN, LEAST_SHARE * (GOAL - before))


def find(ask: Ask, facts: AskFacts, classes: np.ndarray, labels: np.ndarray, *, old_head: bool = False) -> Evidence:
    """Find out what costs accuracy.

    Args:
        ask: evaluates the model on the sample, with interventions.
        facts: tells what was seen of the training.
        classes: the classes of the sample without any intervention, int64 (N,).
        labels: the true ones, int64 (N,).
        old_head: whether the last layer is the checkpoint's own, which knows ten classes without any training.
    """
    search = _Search(ask, labels, old_head)
    best = search.best(classes[: rubric.SCREENING_IMAGES])
    accuracy = float(np.mean(classes == labels))
    best = (search.tried(best.changes, len(labels)) if best.changes else search.numbered((), classes)) or best
    if explains(accuracy, best.accuracy):
        found = f"{best.accuracy:.2f} with {best.words}"
        if old_head and best.numbering is TEN_CLASSES:
            return Evidence(search.known, Cause("cause-old-head", found, OLD_HEAD, best.images))
        remedy = " ".join(part.remedy for part in best.parts)
        return Evidence(search.known, Cause(best.parts[0].key, found, remedy, best.images))
    return Evidence(search.known, _cause_below(search, facts, accuracy))


def steadying(ask: Ask, count: int) -> Cause | None:
    """Find out what makes a model name another class for an image when its batch is another one.

    Returns the change with which it hardly does; None where there is none.

    Args:
        ask: evaluates the model on the sample, with interventions.
        count: the number of the sample's images.
    """
    before = _differing(ask, (), count)
    if before is None or before < UNSTEADY:
        return None
    for one in map(BY_KEY.__getitem__, STEADYING):
        after = _differing(ask, (one.key,), count)
        if after is not None and STEADIER * after <= before:
            key, remedy = (one.key, one.remedy) if one.subject == "model" else (RANDOM, "")
            return Cause(key, f"the same class each time with {FOUND[key]}", remedy, count)
    return None


def _differing(ask: Ask, changes: tuple[str, ...], count: int) -> int | None:
    """Return how many images get another class in batches of another size; None when there is no answer."""
    one, other = (ask(changes, count, size) for size in OTHER_BATCHES)
    return None if one is None or other is None else int(np.sum(one != other))


def _cause_below(search: "_Search", facts: AskFacts, accuracy: float) -> Cause | None:
    """Return what costs accuracy where the model itself can't do better: the head's learning, or what is below it."""
    refit = search.tried((REFIT.key,), search.images)
    if refit is None:
        return None
    found = f"{refit.accuracy:.2f} with {REFIT.found}"
    seen = facts() if explains(accuracy, refit.accuracy) else None
    if refit.accuracy > GOAL - LEAST_GAIN or (seen and seen.untouched):
        if seen is None:
            return None
        key, remedy = why_not_learned(seen, accuracy)
        return Cause(key, found, f"{REFIT.remedy} {remedy}", refit.images)
    with_others = [search.tried((key, REFIT.key), search.images) for key in IN_TRAINING]
    better = _most_helpful([refit, *filter(None, with_others)])
    if explains(refit.accuracy, better.accuracy):
        part = better.parts[0]
        remedy = part.remedy if isinstance(part, Intervention) and part.subject == "model" else IN_TRAINING_TOO
        return Cause(
            part.key, f"{better.accuracy:.2f} with {better.words} and a new linear head", remedy, better.images
        )
    return Cause("cause-features", found, FEATURES, refit.images)


class _Search:
    """Makes experiments on one model.

    Attributes:
        known: the best accuracy of an experiment that left the model its head, and that shows what was learned.
        images: how many images the sample has.
    """

    def __init__(self, ask: Ask, labels: np.ndarray, old_head: bool):
        self._ask, self._labels, self._old_head = ask, labels, old_head
        self.known, self.images = 0.0, len(labels)

    def best(self, classes: np.ndarray) -> Experiment:
        """Return the experiment with at most two interventions that explains most.

        A second one is made where the first leaves something to explain, and taken if it explains that.

        Args:
            classes: those of the sample's first images without any intervention, int64 (N,).
        """
        accuracy = float(np.mean(classes == self._labels[: len(classes)]))
        start = self.numbered((), classes)
        if _enough(start):
            return start
        one = _most_helpful([start, *self._one_more(start)])
        if one is start or _enough(one):
            return one
        two = _most_helpful([one, *self._one_more(one)])
        alone = explains(accuracy, two.accuracy) and not explains(accuracy, one.accuracy)
        return two if alone or explains(one.accuracy, two.accuracy) else one

    def _one_more(self, before: Experiment) -> list[Experiment]:
        """Try each intervention besides those that are made already; two never have the same subject."""
        taken = {BY_KEY[key].subject for key in before.changes}
        tried = [self.tried((*before.changes, one.key)) for one in INTERVENTIONS if one.subject not in taken]
        return [experiment for experiment in tried if experiment]

    def tried(self, changes: tuple[str, ...], count: int = rubric.SCREENING_IMAGES) -> Experiment | None:
        classes = self._ask(changes, count)
        return None if classes is None else self.numbered(changes, classes)

    def numbered(self, changes: tuple[str, ...], classes: np.ndarray) -> Experiment:
        """Return the experiment with these classes, numbered in another way if that explains their accuracy."""
        labels = self._labels[: len(classes)]
        found = Experiment(changes, float(np.mean(classes == labels)), len(classes))
        for numbering in NUMBERINGS:
            accuracy = float(np.mean(numbering.renumber(classes, labels) == labels))
            if explains(found.accuracy, accuracy):
                found = replace(found, accuracy=accuracy, numbering=numbering)
                break
        if REFIT.key not in changes and not (self._old_head and found.numbering is TEN_CLASSES):
            self.known = max(self.known, found.accuracy)
        return found


def _most_helpful(experiments: list[Experiment]) -> Experiment:
    """Return the experiment after the first that recovers most, and of several about as good the one listed first.

    It is the first when nothing recovers anything.
    """
    start, *others = experiments
    most = max((one.accuracy for one in others), default=0.0)
    return next((one for one in others if one.accuracy > max(start.accuracy, most - SIMILAR)), start)


def _enough(experiment: Experiment) -> bool:
    """Return whether so little is missing that a further change could not explain it."""
    return experiment.accuracy > GOAL - LEAST_GAIN and bool(experiment.parts)
