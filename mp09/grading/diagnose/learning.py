"""Explain, from what was seen of a training, why a head has not learned although its features are good enough."""

from collections.abc import Callable
from dataclasses import dataclass

from mp09.grading.sandbox.conversation import TrainingFacts

FLAT = 0.9  # a loss that is still above this part of its first value has hardly fallen
RISEN = 1.5  # a loss that is above so many times its least value does not settle
LOW = 0.5  # the cross-entropy of a head that names about 85 % of its images rightly
FEW_STEPS = 20  # no head learns much in fewer
LARGE = 100.0  # no weight of a head that learned well comes near this


@dataclass(frozen=True)
class Reason:
    """Describes why a head did not learn; the key is an anchor in docs/student.md."""

    key: str
    fits: Callable[[TrainingFacts], bool]
    remedy: str


def _hardly_fell(facts: TrainingFacts) -> bool:
    return facts.first_loss is not None and facts.least_loss is not None and facts.least_loss > FLAT * facts.first_loss


def _rises(facts: TrainingFacts) -> bool:
    return facts.last_loss is not None and facts.least_loss is not None and facts.last_loss > RISEN * facts.least_loss


REASONS = (
    Reason(
        "learning-no-step",
        lambda facts: facts.steps == 0,
        "No optimizer took a step while run_model() ran. For each batch call zero_grad(), backward() and step().",
    ),
    Reason(
        "learning-other-parameters",
        lambda facts: facts.other_parameters,
        "The optimizer held no parameter of the model that run_model() returned. Give it the parameters of this very "
        "model, and return the model that was trained.",
    ),
    Reason(
        "learning-no-gradient",
        lambda facts: facts.without_gradient == facts.steps,
        "No parameter had a gradient when the optimizer took its steps. Call loss.backward() before optimizer.step().",
    ),
    Reason(
        "learning-softmax",
        lambda facts: facts.sums_to_one,
        "The outputs for an image sum to 1, so there is a softmax in the model. nn.CrossEntropyLoss contains one "
        "already, and with two the gradients are small: return logits.",
    ),
    Reason(
        "learning-negative-loss",
        lambda facts: facts.last_loss is not None and facts.last_loss < 0,
        "The loss fell below 0, which nn.CrossEntropyLoss of logits never does. Look for a wrong sign, and for "
        "nn.NLLLoss, which takes the result of log_softmax.",
    ),
    Reason(
        "cause-mismatch",
        lambda facts: facts.last_loss is not None and facts.last_loss < LOW and not _rises(facts),
        "The loss says that the head knows its training images. So test images get to the model in another form than "
        "those, or it knows only few images by heart.",
    ),
    Reason(
        "learning-exploded",
        lambda facts: facts.largest_weight is None or facts.largest_weight > LARGE,
        "The weights of a linear layer have become huge, or are no numbers. Choose a smaller learning rate (0.001 "
        "suits Adam), and call zero_grad() for each batch.",
    ),
    Reason(
        "learning-unstable",
        _rises,
        "The loss rises again after it has fallen. Choose a smaller learning rate (0.001 suits Adam), and call "
        "zero_grad() for each batch.",
    ),
    Reason(
        "learning-labels",
        lambda facts: facts.steps >= FEW_STEPS and _hardly_fell(facts) and not facts.untouched,
        "The weights changed, and still the loss hardly fell. In training, the labels don't belong to their images, or "
        "the loss is of something else than the model's logits.",
    ),
    Reason(
        "learning-slow",
        lambda facts: facts.steps < FEW_STEPS or _hardly_fell(facts) or facts.untouched,
        "The head is almost as it was at its start. Take more steps, or larger ones: 0.001 is a learning rate that "
        "suits Adam, and SGD needs about 0.1.",
    ),
    Reason(
        "learning-short",
        lambda facts: True,
        "The loss was still falling, or settled too high. Train for another epoch, and try other learning rates.",
    ),
)


def why_not_learned(facts: TrainingFacts) -> tuple[str, str]:
    """Return the key of the first reason that fits, and what to do with the facts that speak for it."""
    reason = next(reason for reason in REASONS if reason.fits(facts))
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
