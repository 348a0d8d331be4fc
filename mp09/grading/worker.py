"""The only process that touches a submission: loads it, calls it, and answers with plain values.

Started by `sandbox`, which speaks `protocol` with it over its standard input and output. Every function in OPERATIONS
takes the session and JSON values and returns a (fields, arrays) pair. An exception of the submission becomes an
{"error": {...}} reply with the place in the student's own file.
"""

import importlib.util
import inspect
import json
import os
import platform
import random
import sys
import traceback
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision.transforms import ToTensor

from mp09.grading import protocol

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]


class Session:
    """What lives between requests: the loaded module and the trained model."""

    def __init__(self, seed: int):
        self.seed = seed
        self.module: Any = None
        self.model: nn.Module | None = None

    def reseed(self) -> None:
        """The same random numbers for a request, whatever came before it."""
        random.seed(self.seed)
        np.random.seed(self.seed)  # noqa: NPY002 (submissions use the global generator)
        torch.manual_seed(self.seed)

    def function(self, name: str) -> Any:
        if not callable(found := getattr(self.module, name, None)):
            raise Refused("missing", f"submitted.py defines no function {name}")
        return found


class Refused(Exception):  # noqa: N818 (a verdict, not an error)
    """The submission gave something that can't be used; `kind` names it for the diagnosis."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


def about(session: Session) -> Answer:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    versions = {"python": platform.python_version(), "torch": torch.__version__, "torchvision": torchvision.__version__}
    return {"device": device, "threads": torch.get_num_threads(), "versions": versions}, {}


def checkpoint(session: Session, path: str) -> Answer:
    """The pretrained tensors as the network holds them. Only asked before a submission is loaded."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {}, {name: _array(tensor.float()) for name, tensor in state.items() if tensor.is_floating_point()}


def load(session: Session) -> Answer:
    """Import submitted.py of the working folder."""
    sys.argv = ["submitted.py"]
    sys.path.insert(0, os.getcwd())
    spec = importlib.util.spec_from_file_location("submitted", "submitted.py")
    session.module = sys.modules["submitted"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(session.module)
    return {}, {}


def length(session: Session, files: list[str]) -> Answer:
    """len() of a dataset that is built without a transform."""
    return {"length": _count(session.function("build_dataset")(files))}, {}


def batches(session: Session, files: list[str], batch_size: int) -> Answer:
    """len() of a loader, and what its first batch looks like."""
    dataset = session.function("build_dataset")(files, transform=ToTensor())
    loader = session.function("build_dataloader")(dataset, {"batch_size": batch_size, "shuffle": False})
    count = _count(loader)
    first = next(iter(loader))
    return {"count": count, "first": [_describe(part) for part in first]}, {}


def samples(session: Session, files: list[str], indices: list[int]) -> Answer:
    """Items of a dataset built with ToTensor(), at those of the indices that it has."""
    dataset = session.function("build_dataset")(files, transform=ToTensor())
    fields: dict[str, Any] = {"length": _count(dataset), "images": [], "labels": []}
    arrays = {}
    indices = [index for index in indices if index < fields["length"]]
    for position, index in enumerate(indices):
        item = dataset[index]
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise Refused("item", f"dataset[{index}] is {_describe(item)}, not a pair (image, label)")
        for kind, part in zip(("images", "labels"), item, strict=True):
            fields[kind].append(_describe(part))
            if (array := _values(part)) is not None:
                arrays[f"{kind}{position}"] = array
    return fields, arrays


def train(session: Session) -> Answer:
    """Call run_model() and keep what it returns."""
    model = session.function("run_model")()
    if not isinstance(model, nn.Module):
        raise Refused("model", f"run_model() returned {_describe(model)}")
    session.model = model
    return {}, {}


def tensors(session: Session) -> Answer:
    """Every parameter and floating-point buffer of the trained model."""
    arrays, learning = {}, []
    for name, parameter in nn.Module.named_parameters(session.model):
        arrays[name] = _array(parameter.float())
        if parameter.requires_grad:
            learning.append(name)
    for name, buffer in nn.Module.named_buffers(session.model):
        if buffer.is_floating_point():
            arrays[name] = _array(buffer.float())
    return {"learning": learning}, arrays


def predict(session: Session, file: str, count: int, batch_size: int) -> Answer:
    """The class with the largest output for each of `count` pictures of a file; -1 where the outputs are no numbers."""
    dataset = session.function("build_dataset")([file], transform=_test_transform(session))
    model = session.model
    model.eval()
    first = next(iter(model.parameters()), torch.zeros(0))
    predictions = []
    with torch.no_grad():
        for batch in DataLoader(Subset(dataset, range(count)), batch_size=batch_size):  # whatever its len() says
            images = torch.as_tensor(batch[0])
            logits = model(images.to(device=first.device, dtype=first.dtype))
            if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or logits.shape[1] < 8:
                raise Refused("output", f"the model gave {_describe(logits)} for pictures {tuple(images.shape)}")
            classes = logits.argmax(dim=1)
            classes[~torch.isfinite(logits).all(dim=1)] = -1
            predictions.append(classes.cpu())
    return {}, {"predictions": _array(torch.cat(predictions).long())}


def tested(session: Session, file: str, count: int) -> Answer:
    """What test() says about the first pictures of a batch file: a number, or null."""
    dataset = session.function("build_dataset")([file], transform=_test_transform(session))
    subset = Subset(dataset, range(min(count, _count(dataset))))
    value = session.function("test")(DataLoader(subset, batch_size=64), session.model)
    try:
        return {"value": float(value)}, {}
    except (TypeError, ValueError):
        return {"value": None}, {}


OPERATIONS = {
    f.__name__: f for f in (about, checkpoint, load, length, batches, samples, train, tensors, predict, tested)
}


def _test_transform(session: Session) -> Any:
    """The submission's transform for test pictures, or ToTensor() when there is none that works."""
    try:
        transform = session.function("get_preprocess_transform")("test")
    except Exception:  # the course lets students do without it
        return ToTensor()
    return ToTensor() if transform is None else transform


def _count(sized: Any) -> int:
    try:
        return len(sized)
    except TypeError as error:
        raise Refused("length", f"{_describe(sized)} has no length ({error})") from error


def _describe(value: Any) -> str:
    """A value's type and shape in a few words."""
    if isinstance(value, torch.Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a {value.dtype} array of shape {value.shape}"
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    if value is None or isinstance(value, (bool, int, float)):
        return f"{value!r}"[:50]
    return f"an object of type {type(value).__name__}"


def _values(value: Any) -> np.ndarray | None:
    """Numbers of a tensor, array, picture or number, in a type that travels; None for anything else."""
    if isinstance(value, torch.Tensor):
        return _array(value)
    try:
        array = np.asarray(value)
    except Exception:  # any object may refuse
        return None
    return _array(torch.as_tensor(array)) if array.dtype.kind in "biuf" and array.size <= 1 << 24 else None


def _array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.dtype not in (torch.uint8, torch.bool, torch.int64, torch.float32, torch.float64):
        tensor = tensor.float() if tensor.is_floating_point() else tensor.long()
    return tensor.contiguous().numpy()


def _error(error: BaseException) -> dict[str, Any]:
    """An exception in words, with the lines of the student's own file."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name in ("submitted.py", "models.py")
    ]
    where = [
        f"{Path(f.filename).name}, line {f.lineno}, in {f.name}: {f.line}"[:300] for f in islice(reversed(frames), 3)
    ]
    if isinstance(error, SyntaxError) and error.lineno:
        where = [f"submitted.py, line {error.lineno}: {(error.text or '').strip()}"[:300]]
    kind = error.kind if isinstance(error, Refused) else ""
    return {"kind": kind, "type": type(error).__name__, "message": str(error)[:1000], "where": where}


def _limit_resources() -> None:
    """No core dumps, no endless files."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, 1 << 30))


def _take_pipes():
    """Keep the two pipes for ourselves: the submission reads an empty input and prints into the log."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return requests, replies


def main() -> None:
    """Answer requests until the grader closes the pipe. The first argument is a JSON object: seed, threads."""
    settings = json.loads(sys.argv[1])
    requests, replies = _take_pipes()
    _limit_resources()
    torch.set_num_threads(settings["threads"])
    torch.set_flush_denormal(True)
    session = Session(settings["seed"])
    while request := protocol.read(requests):
        operation = OPERATIONS[request.fields.pop("operation")]
        try:
            session.reseed()
            fields, arrays = operation(session, **request.fields)
        except BaseException as error:  # SystemExit and KeyboardInterrupt of a submission included
            fields, arrays = {"error": _error(error)}, {}
        protocol.write(replies, protocol.Message(request.id, fields, arrays))
