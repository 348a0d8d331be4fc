"""Define what the grader tells and asks a worker, and what the worker answers.

A question's operation is the name of a function in `worker`, and its arguments are that function's. The answer consists
of the fields of a record, which are JSON values, and of arrays by name. On its way the record is an object of JSON.
What comes out of a worker can be anything, so it becomes a record only in `replies.checked`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from mp09.grading.sandbox.attempts import Targets
from mp09.grading.sandbox.isolation import Confined

Ending = Literal["died", "time", "memory", "disk", "processes", "protocol"]  # why a worker is gone
Record = TypeVar("Record", covariant=True)


@dataclass(frozen=True)
class WorkerSettings:
    """Holds what a worker is told when it starts.

    Attributes:
        seed: Seed for the random numbers of every request.
        threads: Number of threads that torch uses.
    """

    seed: int
    threads: int


# Answers. In lists and dicts of these records there are only texts.


@dataclass(frozen=True)
class Done:
    """Says nothing but that there was no error."""


@dataclass(frozen=True)
class About:
    """Tells what a worker is.

    Attributes:
        device: The name of the GPU, or "cpu".
        threads: Number of threads that torch uses.
        versions: Versions of "python", "torch" and "torchvision".
        isolation: What isolation is in force.
    """

    device: str = ""
    threads: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    isolation: Confined = field(default_factory=Confined)


@dataclass(frozen=True)
class Succeeded:
    """Names the attempts to get out that succeeded."""

    succeeded: list[str]


@dataclass(frozen=True)
class DatasetLength:
    """Holds len() of a dataset."""

    length: int


@dataclass(frozen=True)
class BatchCount:
    """Holds len() of a loader."""

    count: int


@dataclass(frozen=True)
class BatchParts:
    """Describes each part of a batch."""

    parts: list[str]


@dataclass(frozen=True)
class SampleKinds:
    """Holds len() of a dataset, and describes the image and the label of each sample."""

    length: int
    images: list[str]
    labels: list[str]


@dataclass(frozen=True)
class TensorTypes:
    """Names the types of those tensors that are not float32."""

    types: dict[str, str]


TRANSFORMS = ("", "test", "train", "ToTensor()", "none")


@dataclass(frozen=True)
class Evaluated:
    """Names the transform of the evaluated images, one of TRANSFORMS.

    Attributes:
        transform: It is "test" or "train" for the submission's own, and "" where no image came from the submission's
            dataset.
        problem: Why the submission's own was not used, if it raised an exception.
    """

    transform: str
    problem: str


@dataclass(frozen=True)
class TrainingFacts:
    """Tells what was seen of a training. A loss is None where there are none.

    Attributes:
        steps: How often an optimizer took a step.
        without_gradient: At how many of them no parameter had a gradient.
        optimizer, rate: The last optimizer's class, and its largest learning rate.
        other_parameters: Whether that optimizer held no parameter of the returned model.
        first_loss: The very first loss.
        least_loss, last_loss: The loss at its best and at the end, as means over a tenth of all losses.
        untouched: Whether the last linear layer looks as it was made.
        largest_weight: The largest absolute weight of a linear layer; None if it is not finite.
        sums_to_one: Whether the outputs for an image are shares of 1.
        idle: The share of the last linear layer's inputs that are 0 for every image, 0 to 1.
    """

    steps: int
    without_gradient: int
    optimizer: str
    rate: float | None
    other_parameters: bool
    first_loss: float | None
    least_loss: float | None
    last_loss: float | None
    untouched: bool
    largest_weight: float | None
    sums_to_one: bool
    idle: float


@dataclass(frozen=True)
class ReturnedNumber:
    """Holds what test() returned; None when that is no number."""

    value: float | int | None


@dataclass(frozen=True)
class ErrorReport:
    """Describes an exception, which any question may have for an answer: {"error": {...}}.

    Attributes:
        kind: The kind of a `plain_values.Refused`; "" for any other exception.
        type: The name of its class.
        message: What it says.
        where: The lines of submitted.py and models.py that it went through, the innermost first.
    """

    kind: str
    type: str
    message: str
    where: list[str]


# Questions


@dataclass(frozen=True)
class Question(Generic[Record]):
    """Asks a worker for something.

    Attributes:
        operation: The name of a function in `worker`.
        answer: The class of the record that is the answer.
        arguments: The function's arguments, by name.
        arrays: A regular expression for the names of the arrays that the answer may have.
    """

    operation: str
    answer: type[Record]
    arguments: Mapping[str, object] = field(default_factory=dict)
    arrays: str = ""


ABOUT = Question("about", About)
LOAD = Question("load", Done)
TRAIN = Question("train", Done)
TENSORS = Question("tensors", TensorTypes, arrays=".*")


def probe(targets: Targets) -> Question[Succeeded]:
    return Question("probe", Succeeded, {"targets": targets})


def checkpoint(path: str) -> Question[Done]:
    return Question("checkpoint", Done, {"path": path}, arrays=".*")


def length(files: Sequence[str]) -> Question[DatasetLength]:
    return Question("length", DatasetLength, {"files": files})


def batches(files: Sequence[str], batch_size: int) -> Question[BatchCount]:
    return Question("batches", BatchCount, {"files": files, "batch_size": batch_size})


def first_batch(files: Sequence[str], batch_size: int) -> Question[BatchParts]:
    return Question("first_batch", BatchParts, {"files": files, "batch_size": batch_size})


def samples(files: Sequence[str], indices: Sequence[int]) -> Question[SampleKinds]:
    arguments = {"files": files, "indices": indices}
    return Question("samples", SampleKinds, arguments, arrays=r"(images|labels)\d+")


def predict(file: str, count: int, batch_size: int) -> Question[Evaluated]:
    arguments = {"file": file, "count": count, "batch_size": batch_size}
    return Question("predict", Evaluated, arguments, arrays="predictions")


def experiment(
    file: str, count: int, batch_size: int, changes: Sequence[str], train_files: Sequence[str]
) -> Question[Evaluated]:
    arguments = {"file": file, "count": count, "batch_size": batch_size, "changes": changes, "train_files": train_files}
    return Question("experiment", Evaluated, arguments, arrays="predictions")


def facts(file: str, count: int) -> Question[TrainingFacts]:
    return Question("facts", TrainingFacts, {"file": file, "count": count})


def tested(file: str, count: int) -> Question[ReturnedNumber]:
    return Question("tested", ReturnedNumber, {"file": file, "count": count})
