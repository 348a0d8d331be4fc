"""Tests which cause is named for which results of experiments, and which reason for which facts of a training."""

from dataclasses import replace

import numpy as np
import pytest

from mp09.grading.diagnose import causes, learning
from mp09.grading.diagnose.causes import Cause, Evidence, explains, find
from mp09.grading.interventions import INTERVENTIONS, REFIT
from mp09.grading.sandbox.conversation import TrainingFacts

LABELS = np.arange(200) % 8
FACTS = TrainingFacts(
    steps=50,
    without_gradient=0,
    optimizer="Adam",
    rate=0.001,
    other_parameters=False,
    first_loss=2.1,
    least_loss=0.5,
    last_loss=0.5,
    untouched=False,
    largest_weight=1.0,
    sums_to_one=False,
    idle=0.1,
)


def answers(accuracy: float, labels: np.ndarray = LABELS) -> np.ndarray:
    """Return classes of which this share is right; all others are -1, so that no other numbering helps."""
    return np.where(np.arange(len(labels)) < accuracy * len(labels), labels, -1)


def found_with(plain: float, changed: dict[tuple[str, ...], float], facts: TrainingFacts | None = FACTS) -> Evidence:
    """Return what is found when the model has these accuracies with these changes, and `plain` with any others."""
    asked.clear()

    def ask(changes, count=0, batch_size=0):
        asked.append(tuple(changes))
        return answers(changed.get(tuple(changes), plain))

    return find(ask, lambda: facts, answers(plain), LABELS)


def cause(plain: float, changed: dict[tuple[str, ...], float], facts: TrainingFacts | None = FACTS) -> Cause | None:
    return found_with(plain, changed, facts).cause


asked: list[tuple[str, ...]] = []


@pytest.mark.parametrize(
    ("before", "after", "enough"),
    [(0.1, 0.51, True), (0.1, 0.49, False), (0.86, 0.92, True), (0.88, 0.92, False), (0.9, 0.8, False)],
)
def test_a_change_explains_what_it_recovers_half_of(before, after, enough):
    assert explains(before, after) == enough


@pytest.mark.parametrize("one", INTERVENTIONS, ids=lambda one: one.key)
def test_the_change_that_helps_is_named_with_its_figure(one):
    found = found_with(0.1, {(one.key,): 0.93})
    assert found == Evidence(0.93, Cause(one.key, f"0.93 with {one.found}", one.remedy, len(LABELS)))


def test_what_helps_on_few_images_is_confirmed_on_all():
    labels = np.arange(1000) % 8
    counts = []

    def ask(changes, count=256, batch_size=64):
        counts.append(count)
        helps = tuple(changes) == ("cause-colours",)
        return answers((0.93 if count == 256 else 0.88) if helps else 0.15, labels[:count])

    found = find(ask, lambda: None, answers(0.15, labels), labels)
    assert (found.cause.key, found.cause.found[:4], found.cause.images) == ("cause-colours", "0.88", 1000)
    assert counts == [256] * (len(counts) - 1) + [1000]


def test_what_helped_by_chance_is_not_named():
    labels = np.arange(1000) % 8

    def ask(changes, count=256, batch_size=64):
        by_chance = tuple(changes) == ("cause-colours",) and count == 256
        return answers(0.93 if by_chance else 0.6, labels[:count])

    assert find(ask, lambda: None, answers(0.6, labels), labels).cause.key == "cause-features"


def test_of_two_that_help_the_better_is_named():
    assert cause(0.1, {("cause-colours",): 0.8, ("cause-half",): 0.85}).key == "cause-half"


def test_of_two_that_help_equally_the_more_special_is_named():
    assert cause(0.1, {("cause-train-transform",): 0.91, ("cause-normalised",): 0.92}).key == "cause-train-transform"


def test_two_are_named_where_one_is_not_enough():
    alone = {("cause-statistics",): 0.4, ("cause-normalised",): 0.3}
    found = cause(0.15, {**alone, ("cause-statistics", "cause-normalised"): 0.93})
    assert found.key == "cause-statistics"
    assert found.found.startswith("0.93 with the BatchNorm statistics of resnet18.pt and the file's images, normalised")


def test_a_second_that_adds_little_is_not_named():
    alone = {("cause-statistics",): 0.8, ("cause-normalised",): 0.3}
    assert " and " not in cause(0.15, {**alone, ("cause-statistics", "cause-normalised"): 0.83}).found


def test_two_changes_of_one_subject_are_not_tried_together():
    cause(0.1, {("cause-normalised",): 0.4, ("cause-half",): 0.3})
    assert ("cause-normalised", "cause-half") not in asked


@pytest.mark.parametrize(
    ("classes", "key"),
    [
        (np.array([0, 1, 2, 4, 6, 7, 8, 9])[LABELS], "cause-ten-classes"),
        (LABELS + 1, "cause-shifted"),
        (7 - LABELS, "cause-order"),
    ],
)
def test_outputs_that_are_numbered_otherwise_are_seen_without_asking(classes, key):
    found = find(lambda *_: pytest.fail("nothing is to be asked"), lambda: None, classes, LABELS)
    assert (found.cause.key, found.known) == (key, 1.0)


def test_a_change_and_another_numbering_are_both_named():
    found = find(
        lambda changes, *_: LABELS + 1 if changes == ("cause-bytes",) else answers(0.1),
        lambda: None,
        answers(0.1),
        LABELS,
    )
    assert (found.cause.key, found.known) == ("cause-bytes", 1.0)
    assert found.cause.found == "1.00 with the file's images in 0..255 and outputs numbered from 1"


def test_guesses_in_their_best_order_explain_nothing():
    guesses = np.random.default_rng(0).integers(0, 8, len(LABELS))
    assert find(lambda *_: guesses, lambda: FACTS, guesses, LABELS).cause.key == "cause-features"


def test_a_head_that_learned_too_little_is_told_from_features_that_are_bad():
    assert cause(0.3, {(REFIT.key,): 0.92}).key == "learning-short"
    found = found_with(0.3, {(REFIT.key,): 0.6})
    assert (found.cause.key, found.cause.found, found.known) == ("cause-features", f"0.60 with {REFIT.found}", 0.3)


@pytest.mark.parametrize(
    ("key", "words"), [("cause-normalised", "Look at the dataset"), ("cause-statistics", "eval mode")]
)
def test_what_was_wrong_in_training_and_at_test_is_named(key, words):
    found = found_with(0.3, {(REFIT.key,): 0.5, (key, REFIT.key): 0.93})
    assert (found.cause.key, found.known) == (key, 0.3)
    assert words in found.cause.remedy
    assert "and a new linear head" in found.cause.found


def test_nothing_is_named_where_a_new_head_is_no_better():
    assert cause(0.88, {(REFIT.key,): 0.9}) is None


def test_without_answers_nothing_is_named():
    assert find(lambda *_: None, lambda: None, answers(0.3), LABELS) == Evidence(0.3)
    assert cause(0.3, {(REFIT.key,): 0.92}, facts=None) is None


def test_what_is_known_is_the_best_of_all_experiments():
    assert found_with(0.15, {("cause-train-mode",): 0.52}) == Evidence(0.52, cause(0.15, {}))


def test_the_checkpoints_own_head_knows_nothing_by_itself():
    classes = np.array([0, 1, 2, 4, 6, 7, 8, 9])[LABELS]
    found = find(lambda *_: pytest.fail("nothing is to be asked"), lambda: None, classes, LABELS, old_head=True)
    assert found.cause.key == "cause-old-head"
    assert found.known == 0


def test_a_head_that_was_never_touched_is_named_though_features_are_not_the_best():
    assert cause(0.1, {(REFIT.key,): 0.84}, replace(FACTS, steps=0, untouched=True)).key == "learning-no-step"


@pytest.mark.parametrize("change", [{"first_loss": 0.9}, {"first_loss": 6.0}])
def test_only_losses_like_cross_entropy_are_compared_with_it(change):
    facts = replace(FACTS, least_loss=0.4, last_loss=0.4, **change)
    assert learning.why_not_learned(facts, 0.5)[0] == "learning-short"


REASONS = {
    "learning-no-step": {"steps": 0, "untouched": True},
    "learning-other-parameters": {"other_parameters": True, "untouched": True},
    "learning-no-gradient": {"without_gradient": 50},
    "learning-negative-loss": {"last_loss": -3.0},
    "learning-softmax": {"sums_to_one": True},
    "cause-mismatch": {"least_loss": 0.4, "last_loss": 0.4},
    "learning-dead": {"idle": 1.0},
    "learning-exploded": {"largest_weight": None},
    "learning-unstable": {"last_loss": 0.9},
    "learning-labels": {"least_loss": 2.0, "last_loss": 2.0},
    "learning-slow": {"least_loss": 2.0, "last_loss": 2.0, "untouched": True},
    "learning-short": {},
}


@pytest.mark.parametrize("key", REASONS)
def test_facts_of_a_training_are_explained(key):
    facts = replace(FACTS, **REASONS[key])
    found, remedy = learning.why_not_learned(facts, 0.5)
    assert found == key
    assert ("50 steps with Adam of learning rate 0.001" in remedy) == bool(facts.steps)


def test_a_few_steps_are_too_few():
    facts = replace(FACTS, steps=1, least_loss=2.1, last_loss=2.1)
    assert learning.why_not_learned(facts, 0.5)[0] == "learning-slow"


def test_every_reason_is_reached():
    assert [reason.key for reason in learning.REASONS] == list(REASONS)


def test_a_training_without_a_loss_is_described():
    facts = replace(FACTS, steps=1, rate=None, first_loss=None, least_loss=None, last_loss=None)
    assert learning.why_not_learned(facts, 0.5)[1].endswith("(1 step with Adam)")


def steady_with(*keys: str, differing: int = 4) -> Cause | None:
    """Return what is named for a model that names some images otherwise in batches of 64, but not with these keys."""

    def ask(changes, count, batch_size):
        found = LABELS.copy()
        if not set(changes) & set(keys) and batch_size == 64:
            found[:differing] = -1
        return found

    return causes.steadying(ask, len(LABELS))


def test_what_makes_a_model_a_function_is_named():
    found = steady_with("cause-eval-mode")
    assert (found.key, found.found) == ("cause-eval-mode", "the same class each time with every layer in eval mode")


def test_random_images_are_named():
    assert steady_with("cause-normalised").key == "cause-random"


def test_a_model_that_stays_unsteady_has_no_cause():
    assert steady_with() is None


def test_few_images_that_differ_show_nothing():
    assert steady_with("cause-normalised", differing=3) is None


@pytest.mark.parametrize("key", ["cause-half", "learning-slow"])
def test_causes_are_told_from_other_diagnoses(key):
    assert causes.is_cause(key)
    assert not causes.is_cause("accuracy-low")
