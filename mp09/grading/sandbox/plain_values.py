"""Turn what a submission gives or raises into plain values: numbers, arrays, descriptions, and reports of errors."""

import inspect
import traceback
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mp09.grading.sandbox.conversation import ErrorReport


class Refused(Exception):  # noqa: N818 (a verdict, not an error)
    """Says that the submission gave something that can't be used.

    Attributes:
        kind: Names it for the diagnosis.
    """

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


def count_of(sized: Any) -> int:
    """Return len(), or raise Refused when the value has none."""
    try:
        return len(sized)
    except TypeError as error:
        raise Refused("length", f"{describe(sized)} has no length ({error})") from error


def describe(value: Any) -> str:
    """Describe a value's type and shape in a few words."""
    if isinstance(value, torch.Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a {value.dtype} array of shape {value.shape}"
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    if value is None or isinstance(value, (bool, int, float)):
        return f"{value!r}"[:50]
    return f"an object of type {type(value).__name__}"


def numbers(value: Any) -> np.ndarray | None:
    """Return the numbers of a tensor, array, image or number, in a type that the protocol allows.

    For anything else, and for more than 2^24 numbers outside of a tensor, return None.
    """
    try:
        if isinstance(value, torch.Tensor):
            return as_array(value)
        array = np.asarray(value)
    except Exception:  # any object may refuse this, as tensors without data do
        return None
    return as_array(torch.as_tensor(array)) if array.dtype.kind in "biuf" and array.size <= 1 << 24 else None


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """Return the numbers of a tensor, in a type that the protocol allows."""
    tensor = tensor.detach().cpu()
    if tensor.dtype not in (torch.uint8, torch.bool, torch.int64, torch.float32, torch.float64):
        tensor = tensor.float() if tensor.is_floating_point() else tensor.long()
    return tensor.contiguous().numpy()


def error_report(error: BaseException) -> ErrorReport:
    """Put an exception into words, with at most three lines of submitted.py and models.py, the innermost first."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name in ("submitted.py", "models.py")
    ]
    where = [
        f"{Path(f.filename).name}, line {f.lineno}, in {f.name}: {f.line}"[:300] for f in islice(reversed(frames), 3)
    ]
    if isinstance(error, SyntaxError) and error.lineno:
        where = [f"submitted.py, line {error.lineno}: {(error.text or '').strip()}"[:300]]
    kind = error.kind if isinstance(error, Refused) else ""
    return ErrorReport(kind, type(error).__name__, str(error)[:1000], where)


def logits_in(output: Any) -> torch.Tensor | None:
    """Return the model's output as a tensor of shape (N, classes), or None when it holds no tensor.

    Of a tuple, list or dict the first tensor is taken, and axes of length 1 at the end are dropped.
    """
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        output = next((part for part in output if isinstance(part, torch.Tensor)), None)
    if not isinstance(output, torch.Tensor):
        return None
    return output.flatten(1) if output.ndim > 2 and set(output.shape[2:]) == {1} else output
