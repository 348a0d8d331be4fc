"""Load a submission, call it, and answer with plain values. No other part of the grader ever runs a submission.

`warm` or `processes` starts it, and `host` speaks `protocol` with it over its standard input and output. Every
function in OPERATIONS takes the session and the arguments of a question (see `conversation`), and returns a pair
(record, arrays). An exception of the submission becomes an {"error": {...}} reply that names the line in the student's
own file.
"""

import importlib.util
import json
import os
import platform
import sys
from collections.abc import Callable
from typing import IO, Any

import numpy as np
import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision.transforms import ToTensor

from mp09.grading.interventions import BY_KEY
from mp09.grading.sandbox import attempts, protocol
from mp09.grading.sandbox.conversation import (
    About,
    BatchCount,
    BatchParts,
    DatasetLength,
    Done,
    Evaluated,
    ReturnedNumber,
    SampleKinds,
    Succeeded,
    TensorTypes,
    TrainingFacts,
    WorkerSettings,
)
from mp09.grading.sandbox.evaluation import Evaluation, dataset_of, kept_state
from mp09.grading.sandbox.isolation import Confined
from mp09.grading.sandbox.plain_values import Refused, as_array, count_of, describe, error_report, numbers
from mp09.grading.sandbox.session import Norm, Session

Arrays = dict[str, np.ndarray]


def about(session: Session) -> tuple[About, Arrays]:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    versions = {"python": platform.python_version(), "torch": torch.__version__, "torchvision": torchvision.__version__}
    return About(device, torch.get_num_threads(), versions, session.isolation), {}


def probe(session: Session, targets: protocol.Json) -> tuple[Succeeded, Arrays]:
    """Try what isolation must prevent, and name what succeeded.

    This is asked only of a worker that gets no submission.
    """
    return Succeeded(attempts.succeeded(attempts.Targets(**targets))), {}


def checkpoint(session: Session, path: str) -> tuple[Done, Arrays]:
    """Return the floating-point tensors of a checkpoint, as float32.

    This is asked only before a submission is loaded, so that they are the true ones.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    layers = [name.removesuffix("running_mean") for name in state if name.endswith("running_mean")]
    parts = ("weight", "bias", "running_mean", "running_var")
    session.norms = [Norm(*(state[layer + part].clone() for part in parts)) for layer in layers]
    return Done(), {name: as_array(tensor.float()) for name, tensor in state.items() if tensor.is_floating_point()}


def load(session: Session) -> tuple[Done, Arrays]:
    """Import submitted.py from the working folder."""
    sys.argv = ["submitted.py"]
    sys.path.insert(0, os.getcwd())
    spec = importlib.util.spec_from_file_location("submitted", "submitted.py")
    assert spec is not None  # the name ends in .py
    assert spec.loader is not None
    session.module = sys.modules["submitted"] = importlib.util.module_from_spec(spec)
    with session.watch:  # some submissions train while they are imported
        spec.loader.exec_module(session.module)
    return Done(), {}


def length(session: Session, files: list[str]) -> tuple[DatasetLength, Arrays]:
    """Return len() of a dataset that is built without a transform."""
    return DatasetLength(count_of(session.function("build_dataset")(files))), {}


def batches(session: Session, files: list[str], batch_size: int) -> tuple[BatchCount, Arrays]:
    """Return len() of a loader."""
    return BatchCount(count_of(_loader(session, files, batch_size))), {}


def first_batch(session: Session, files: list[str], batch_size: int) -> tuple[BatchParts, Arrays]:
    """Describe the parts of a loader's first batch."""
    return BatchParts([describe(part) for part in next(iter(_loader(session, files, batch_size)))]), {}


def _loader(session: Session, files: list[str], batch_size: int) -> Any:
    dataset = session.function("build_dataset")(files, transform=ToTensor())
    return session.function("build_dataloader")(dataset, {"batch_size": batch_size, "shuffle": False})


def samples(session: Session, files: list[str], indices: list[int]) -> tuple[SampleKinds, Arrays]:
    """Return samples of a dataset that is built with ToTensor(), at those of the indices that it has.

    The arrays "images0", "labels0", ... hold the values of images and labels, where they have any.
    """
    dataset = session.function("build_dataset")(files, transform=ToTensor())
    kinds = SampleKinds(count_of(dataset), images=[], labels=[])
    arrays: Arrays = {}
    indices = [index for index in indices if index < kinds.length]
    for position, index in enumerate(indices):
        item = dataset[index]
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise Refused("item", f"dataset[{index}] is {describe(item)}, not a pair (image, label)")
        for name, descriptions, part in zip(("images", "labels"), (kinds.images, kinds.labels), item, strict=True):
            descriptions.append(describe(part))
            if (array := numbers(part)) is not None:
                arrays[f"{name}{position}"] = array
    return kinds, arrays


def train(session: Session) -> tuple[Done, Arrays]:
    """Call run_model() and keep the model that it returns."""
    with session.watch:
        model = session.function("run_model")()
    if not isinstance(model, nn.Module):
        raise Refused("model", f"run_model() returned {describe(model)}")
    session.model = model
    return Done(), {}


def tensors(session: Session) -> tuple[TensorTypes, Arrays]:
    """Return every floating-point parameter and buffer of the trained model, as float32.

    An array's name is the index of a model in `Session.models_in_use` and the tensor's own name.
    """
    arrays, types = {}, {}
    for index, root in enumerate(session.models_in_use()):
        for name, tensor in (*nn.Module.named_parameters(root), *nn.Module.named_buffers(root)):
            if tensor.is_floating_point():
                arrays[f"{index}.{name}"] = as_array(tensor.float())
                types[f"{index}.{name}"] = str(tensor.dtype).removeprefix("torch.")
    return TensorTypes({name: kind for name, kind in types.items() if kind != "float32"}), arrays


def predict(session: Session, file: str, count: int, batch_size: int) -> tuple[Evaluated, Arrays]:
    """Return the class with the largest output for each of the first `count` images of a file.

    It is -1 where an output is not a number.
    """
    evaluation = Evaluation(session, file, count, batch_size)
    classes = evaluation.classes()
    return Evaluated(evaluation.transform, evaluation.problem), {"predictions": classes}


def experiment(
    session: Session, file: str, count: int, batch_size: int, changes: list[str], train_files: list[str]
) -> tuple[Evaluated, Arrays]:
    """Return what `predict` does, with changes: keys of interventions."""
    with Evaluation(session, file, count, batch_size, train_files) as evaluation:
        for key in changes:
            BY_KEY[key].change(evaluation)
        classes = evaluation.classes()
        return Evaluated(evaluation.transform, ""), {"predictions": classes}


def facts(session: Session, file: str, count: int) -> tuple[TrainingFacts, Arrays]:
    """Return what is known about the training, and about the outputs for the first `count` images of a file."""
    sums_to_one, idle = Evaluation(session, file, count, count).outputs_in_short()
    return session.watch.facts(session.model, session.models_in_use(), sums_to_one=sums_to_one, idle=idle), {}


def tested(session: Session, file: str, count: int) -> tuple[ReturnedNumber, Arrays]:
    """Return what test() says about the first `count` images of a batch file."""
    dataset, _, _ = dataset_of(session, file, "test")
    subset = Subset(dataset, range(min(count, count_of(dataset))))
    with kept_state(session):  # test() may run the model in train mode
        value = session.function("test")(DataLoader(subset, batch_size=64), session.model)
    try:
        return ReturnedNumber(float(value)), {}
    except (TypeError, ValueError):
        return ReturnedNumber(None), {}


FUNCTIONS = (
    about,
    probe,
    checkpoint,
    load,
    length,
    batches,
    first_batch,
    samples,
    train,
    tensors,
    predict,
    experiment,
    facts,
    tested,
)
OPERATIONS: dict[str, Callable[..., tuple[object, Arrays]]] = {f.__name__: f for f in FUNCTIONS}


def _take_channels() -> tuple[IO[bytes], IO[bytes]]:
    """Keep requests and replies away from the submission, which reads an empty input and prints into the log."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, replies


def main(settings: WorkerSettings | None = None, isolation: Confined | None = None) -> None:
    """Answer requests until the grader closes their stream.

    Args:
        settings: What the grader says; by default this is JSON in the first argument of the command line.
        isolation: What isolation is in force; by default there is none.
    """
    settings = settings or WorkerSettings(**json.loads(sys.argv[1]))
    requests, replies = _take_channels()
    torch.set_num_threads(settings.threads)
    torch.set_flush_denormal(True)
    session = Session(settings.seed, isolation or Confined())
    folder = os.getcwd()
    while request := protocol.read(requests):
        operation = OPERATIONS[request.fields.pop("operation")]
        session.reseed()
        try:
            os.chdir(folder)
            fields, arrays = operation(session, **request.fields)
        except BaseException as error:  # includes a submission's SystemExit and KeyboardInterrupt
            fields, arrays = {"error": error_report(error)}, {}
        protocol.write(replies, protocol.Message(request.id, fields, arrays))
