"""Check that a worker's reply is an answer to what it was asked.

A submission shares the worker's process, so a reply can be whatever `protocol` lets through.
"""

import re
from collections import Counter
from typing import Any

import numpy as np

from mp09.errors import ProtocolError
from mp09.grading.sandbox.protocol import Message

TEXT_LIMIT = 2000  # characters that are kept of a text
LIST_LIMIT = 1000  # items that are kept of a list

# The fields that each operation must answer with, and their types.
FIELDS: dict[str, dict[str, type | tuple]] = {
    "load": {},
    "length": {"length": int},
    "batches": {"count": int},
    "first_batch": {"parts": list},
    "samples": {"length": int, "images": list, "labels": list},
    "train": {},
    "tensors": {"types": dict},
    "predict": {},
    "tested": {"value": (float, int, type(None))},
}
# The arrays that an operation may send, as a regular expression for their names; other operations may send none.
ARRAYS = {"samples": r"(images|labels)\d+", "tensors": r".*", "predict": "predictions"}
TENSORS_LIMIT = 2000  # arrays in a reply
TENSORS_OF_A_SHAPE_LIMIT = 200  # arrays in a reply that have the same shape
NUMBER_LIMIT = 2**63  # absolute value of a whole number
KINDS = {"", "missing", "model", "item", "length", "output"}  # kinds of `worker.Refused`; "" is any other exception
ERROR = {"kind": str, "type": str, "message": str, "where": list}


class Raised(Exception):  # noqa: N818 (an event of the submission's)
    """The submission's code raised an exception, which `error` describes with the fields of ERROR."""

    def __init__(self, error: dict[str, Any]):
        super().__init__(error["message"])
        self.error = error


def checked(operation: str, reply: Message) -> Message:
    """Return the reply, with its texts made readable.

    Args:
        operation: what the worker was asked; a key of FIELDS.
        reply: what the worker sent.

    Raises:
        Raised: the reply reports an exception of the submission.
        ProtocolError: the reply is not an answer to this operation.
    """
    if "error" in reply.fields:
        error = _fields(reply.fields["error"], ERROR)
        if error["kind"] not in KINDS:
            raise ProtocolError("an error of an unknown kind")
        raise Raised(error)
    fields = _fields(reply.fields, FIELDS[operation])
    if not all(re.fullmatch(ARRAYS.get(operation, ""), name, re.DOTALL) for name in reply.arrays):
        raise ProtocolError("an answer with other arrays than asked for")
    shapes = Counter(array.shape for array in reply.arrays.values())
    if shapes.total() > TENSORS_LIMIT or max(shapes.values(), default=0) > TENSORS_OF_A_SHAPE_LIMIT:
        raise ProtocolError(f"an answer of {shapes.total()} arrays")
    if operation == "predict":
        predictions = reply.arrays.get("predictions")
        if predictions is None or predictions.dtype != np.int64 or predictions.ndim != 1:
            raise ProtocolError("the predictions are not a row of whole numbers")
    return Message(reply.id, fields, reply.arrays)


def readable(text: str) -> str:
    """Return the first TEXT_LIMIT characters of a text, without control characters and lone surrogates.

    Terminals, browsers and JSON readers would act on those. A line's end is kept.
    """
    text = text[:TEXT_LIMIT].encode(errors="replace").decode()
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _fields(fields: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(fields, dict) or fields.keys() != wanted.keys():
        raise ProtocolError("an answer with other fields than asked for")
    for name, kind in wanted.items():
        if not isinstance(fields[name], kind) or isinstance(fields[name], bool):
            raise ProtocolError(f"an answer whose {name} is of another type")
        if isinstance(fields[name], int) and abs(fields[name]) > NUMBER_LIMIT:
            raise ProtocolError(f"an answer whose {name} is too large a number")
    return {name: _clean(value) for name, value in fields.items()}


def _clean(value: Any) -> Any:
    """Return numbers as they are, and make texts readable; in lists and dicts, what is no text becomes ""."""
    if isinstance(value, list):
        value = [readable(item) if isinstance(item, str) else "" for item in value[:LIST_LIMIT]]
    elif isinstance(value, dict):
        value = {str(key): readable(item) if isinstance(item, str) else "" for key, item in value.items()}
    return readable(value) if isinstance(value, str) else value
