"""What a worker may answer. A submission shares its process, so an answer can be whatever `protocol` lets through."""

import re
from collections import Counter
from typing import Any

import numpy as np

from mp09.errors import ProtocolError
from mp09.grading.protocol import Message

TEXT_LIMIT = 2000  # characters
LIST_LIMIT = 1000  # items

# operation -> its fields and arrays; "images0", "images1", ... are one entry "images"
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
# operation -> the arrays that it may send: these names and a number, or any
ARRAYS = {"samples": r"(images|labels)\d+", "tensors": r".*", "predict": "predictions"}
TENSORS_LIMIT = 2000
TENSORS_OF_A_SHAPE_LIMIT = 200
NUMBER_LIMIT = 2**63
KINDS = {"", "missing", "model", "item", "length", "output"}  # what `worker.Refused` names
ERROR = {"kind": str, "type": str, "message": str, "where": list}


class Raised(Exception):  # noqa: N818 (an event of the submission's)
    """The submission's code raised; `error` has the fields of ERROR."""

    def __init__(self, error: dict[str, Any]):
        super().__init__(error["message"])
        self.error = error


def checked(operation: str, reply: Message) -> Message:
    """The reply with readable texts, or Raised, or ProtocolError when it is not an answer to this operation."""
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
    """Without control characters and lone surrogates, which terminals, browsers and JSON readers would act on."""
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
    """Numbers as they are; texts readable, also in lists and dicts."""
    if isinstance(value, list):
        value = [readable(item) if isinstance(item, str) else "" for item in value[:LIST_LIMIT]]
    elif isinstance(value, dict):
        value = {str(key): readable(item) if isinstance(item, str) else "" for key, item in value.items()}
    return readable(value) if isinstance(value, str) else value
