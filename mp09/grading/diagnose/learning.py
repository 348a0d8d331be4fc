"""Explain, from what was seen of a training, why a head has not learned although its features are good enough."""

from collections.abc import Callable
from dataclasses import dataclass

from mp09.grading.sandbox.conversation import TrainingFacts

FLAT = 1.8  # the cross-entropy of a head that has learned hardly more than to guess, which is log 8 = 2.08
WORSE = 3.0  # the cross-entropy of a head that is surely wrong
RISEN = 1.5  # a loss that is above so many times its least value does not settle
FAR_BELOW = 0.75  # an accuracy that does not go with such a loss
LOW = 0.5  # the cross-entropy of a head that names about 85 % of its images rightly
FEW_STEPS = 20  # no head learns much in fewer
MOST = 0.9  # a share of units
LARGE = 100.0  # no weight of a head that learned well comes near this


@dataclass(frozen=True)
class Reason:
    """Describes why a head did not learn; the key is an anchor in docs/student.md."""

    key: str
    fits: Callable[[TrainingFacts, float], bool]  # gets the accuracy, too
    remedy: str


def _is_cross_entropy(facts: TrainingFacts) -> bool:
    """Return whether the first loss is about that of guessing, log 8, as cross-entropy of 8 or 10 classes begins."""
    return facts.first_loss is not None and 1.5 < facts.first_loss < 5.0


def _knows_training_images(facts: TrainingFacts) -> bool:
    return _is_cross_entropy(facts) and facts.last_loss is not None and facts.last_loss < LOW


def _guesses(facts: TrainingFacts) -> bool:
    """Return whether the loss never became much better than that of guessing."""
    return _is_cross_entropy(facts) and facts.least_loss is not None and facts.least_loss > FLAT


def _rises(facts: TrainingFacts) -> bool:
    if facts.last_loss is None or facts.least_loss is None:
        return False
    return facts.last_loss > RISEN * abs(facts.least_loss) or (facts.last_loss > WORSE and facts.steps >= FEW_STEPS)


REASONS = (
    Reason(
        "learning-no-step",
        lambda facts, accuracy: facts.steps == 0 and facts.untouched,
        "No optimizer took a step while run_model() ran. For each batch call zero_grad(), backward() and step().",
    ),
    Reason(
        "learning-other-parameters",
        lambda facts, accuracy: facts.other_parameters and facts.untouched,
        "The optimizer held no parameter of the model that run_model() returned. Give it the parameters of this very "
        "model, and return the model that was trained.",
    ),
    Reason(
        "learning-no-gradient",
        lambda facts, accuracy: facts.steps > 0 and facts.without_gradient == facts.steps,
        "No parameter had a gradient when the optimizer took its steps. Call loss.backward() before optimizer.step().",
    ),
    Reason(
        "learning-negative-loss",
        lambda facts, accuracy: facts.last_loss is not None and facts.last_loss < 0,
        "The loss fell below 0, which nn.CrossEntropyLoss of logits never does. Look for a wrong sign, and for "
        "nn.NLLLoss, which takes the result of log_softmax.",
    ),
    Reason(
        "learning-softmax",
        lambda facts, accuracy: facts.sums_to_one,
        "The outputs for an image sum to 1, so there is a softmax in the model. If the loss is "
        "nn.CrossEntropyLoss, it contains one already, and with two the gradients are small: return logits.",
    ),
    Reason(
        "cause-mismatch",
        lambda facts, accuracy: _knows_training_images(facts) and accuracy < FAR_BELOW,
        "The loss says that the head knows its training images. So test images get to the model in another form than "
        "those, or it knows only few images by heart.",
    ),
    Reason(
        "learning-dead",
        lambda facts, accuracy: facts.idle > MOST,
        "Nearly all units before the last layer give 0 for every image, so nothing is left to learn from: dead ReLUs. "
        "Choose a smaller learning rate (0.001 suits Adam), or leave the hidden layer out.",
    ),
    Reason(
        "learning-exploded",
        lambda facts, accuracy: facts.largest_weight is None or facts.largest_weight > LARGE,
        "The weights of a linear layer have become huge, or are no numbers. Choose a smaller learning rate (0.001 "
        "suits Adam), and call zero_grad() for each batch.",
    ),
    Reason(
        "learning-unstable",
        lambda facts, accuracy: _rises(facts),
        "The loss rises again after it has fallen. Choose a smaller learning rate (0.001 suits Adam), and call "
        "zero_grad() for each batch.",
    ),
    Reason(
        "learning-labels",
        lambda facts, accuracy: facts.steps >= FEW_STEPS and _guesses(facts) and not facts.untouched,
        "The weights changed, and still the loss hardly fell. In training, the labels don't belong to their images, or "
        "the loss is of something else than the model's logits.",
    ),
    Reason(
        "learning-slow",
        lambda facts, accuracy: 0 < facts.steps < FEW_STEPS or _guesses(facts) or facts.untouched,
        "The head is almost as it was at its start. Take more steps, or larger ones: 0.001 is a learning rate that "
        "suits Adam, and SGD needs about 0.1.",
    ),
    Reason(
        "learning-short",
        lambda facts, accuracy: True,
        "The loss was still falling, or settled too high. Train for another epoch, and try other learning rates.",
    ),
)


def why_not_learned(facts: TrainingFacts, accuracy: float) -> tuple[str, str]:
    """Return the key of the first reason that fits, and what to do with the facts that speak for it."""
    reason = next(reason for reason in REASONS if reason.fits(facts, accuracy))
    return reason.key, f"{reason.remedy} {_seen(facts)}".strip()


def _seen(facts: TrainingFacts) -> str:
    """Put the steps and the loss into a sentence."""
    if not facts.steps:
        return ""
    rate = f" of learning rate {facts.rate:g}" if facts.rate is not None else ""
    steps = f"{facts.steps} step{'s' if facts.steps > 1 else ''} with {facts.optimizer}{rate}"
    if facts.first_loss is None or facts.last_loss is None:
        return f"({steps})"
    return f"({steps}; the loss went from {facts.first_loss:.3g} to {facts.last_loss:.3g})"
