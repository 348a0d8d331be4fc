"""Check that a worker's reply is an answer to what it was asked.

A submission shares the worker's process, so a reply can be whatever `protocol` lets through.
"""

import re
from collections import Counter
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from mp09.errors import ProtocolError
from mp09.grading.sandbox.conversation import TRANSFORMS, ErrorReport, Evaluated, Question, Record
from mp09.grading.sandbox.protocol import Json, Message

TEXT_LIMIT = 2000  # characters that are kept of a text
LIST_LIMIT = 1000  # items that are kept of a list

TENSORS_LIMIT = 2000  # arrays in a reply
TENSORS_OF_A_SHAPE_LIMIT = 200  # arrays in a reply that have the same shape
NUMBER_LIMIT = 2**63  # absolute value of a whole number
# The kinds of `plain_values.Refused`; "" stands for any other exception.
KINDS = {"", "missing", "model", "item", "length", "output"}


class Raised(Exception):  # noqa: N818 (an event of the submission's)
    """The submission's code raised an exception, which `error` describes."""

    def __init__(self, error: ErrorReport):
        super().__init__(f"{error.type}: {error.message}")
        self.error = error


def checked(question: Question[Record], reply: Message[Json]) -> Message[Record]:
    """Return the reply with its fields as the record that the question asks for, and with its texts made readable.

    Args:
        question: what the worker was asked.
        reply: what the worker sent.

    Raises:
        Raised: the reply reports an exception of the submission.
        ProtocolError: the reply is not an answer to this question.
    """
    if "error" in reply.fields:
        error = _record(ErrorReport, reply.fields["error"])
        if error.kind not in KINDS:
            raise ProtocolError("an error of an unknown kind")
        raise Raised(error)
    fields = _record(question.answer, reply.fields)
    if not all(re.fullmatch(question.arrays, name, re.DOTALL) for name in reply.arrays):
        raise ProtocolError("an answer with other arrays than asked for")
    shapes = Counter(array.shape for array in reply.arrays.values())
    if shapes.total() > TENSORS_LIMIT or max(shapes.values(), default=0) > TENSORS_OF_A_SHAPE_LIMIT:
        raise ProtocolError(f"an answer of {shapes.total()} arrays")
    if question.answer is Evaluated:
        predictions = reply.arrays.get("predictions")
        if not isinstance(fields, Evaluated) or fields.transform not in TRANSFORMS:
            raise ProtocolError("an answer with an unknown transform")
        if predictions is None or predictions.dtype != np.int64 or predictions.ndim != 1:
            raise ProtocolError("the predictions are not a row of whole numbers")
    return Message(reply.id, fields, reply.arrays)


def readable(text: str) -> str:
    """Return the first TEXT_LIMIT characters of a text, without control characters and lone surrogates.

    Terminals, browsers and JSON readers would act on those. A line's end is kept.
    """
    text = text[:TEXT_LIMIT].encode(errors="replace").decode()
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def _record(kind: type[Record], fields: object) -> Record:
    """Return JSON values as a record. They must have the names and types of the record's fields."""
    wanted = get_type_hints(kind)
    if not isinstance(fields, dict) or fields.keys() != wanted.keys():
        raise ProtocolError("an answer with other fields than asked for")
    return kind(**{name: _value(name, wanted[name], value) for name, value in fields.items()})


def _value(name: str, wanted: Any, value: object) -> object:
    """Return a JSON value as a record's field of the type `wanted`, which may be a record, too."""
    if isinstance(wanted, type) and is_dataclass(wanted):
        return _record(wanted, value)
    types = get_args(wanted) if isinstance(wanted, UnionType) else (wanted,)
    if type(value) not in [get_origin(each) or each for each in types]:
        raise ProtocolError(f"an answer whose {name} is of another type")
    if isinstance(value, int) and abs(value) > NUMBER_LIMIT:
        raise ProtocolError(f"an answer whose {name} is too large a number")
    return _clean(value)


def _clean(value: object) -> object:
    """Return numbers as they are, and make texts readable; in lists and dicts, what is no text becomes ""."""
    if isinstance(value, list):
        return [_text(item) for item in value[:LIST_LIMIT]]
    if isinstance(value, dict):
        return {str(key): _text(item) for key, item in value.items()}
    return readable(value) if isinstance(value, str) else value


def _text(value: object) -> str:
    return readable(value) if isinstance(value, str) else ""
