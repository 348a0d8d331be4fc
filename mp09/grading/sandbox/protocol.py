"""Send and receive messages between grader and worker: a JSON header, then raw arrays.

Nothing is pickled, sizes are limited, and only the types in `DTYPES` are allowed. A message consists of:

    4 bytes   length of the header, big-endian
    header    JSON: {"id": str, "fields": {...}, "arrays": [[name, dtype, shape], ...]}
    arrays    their bytes, little-endian, row by row, one array after the other
"""

import json
import math
import struct
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Generic, TypeVar

import numpy as np

from mp09.errors import ProtocolError

HEADER_LIMIT = 4 << 20  # bytes
ARRAYS_LIMIT = 1 << 30  # bytes of all arrays of a message together
COUNT_LIMIT = 10_000  # arrays in a message
DIMENSIONS_LIMIT = 8
DTYPES = {"uint8": "<u1", "bool": "|b1", "int64": "<i8", "float32": "<f4", "float64": "<f8"}
Json = dict[str, Any]  # JSON values by name, which nobody has looked at
Fields = TypeVar("Fields", covariant=True)


@dataclass(frozen=True)
class Message(Generic[Fields]):
    """Represents one message, a request or a reply.

    Attributes:
        id: Pairs a reply with its request.
        fields: JSON values by name, or a record of them.
        arrays: Numpy arrays by name, of the types in `DTYPES`.
    """

    id: str
    fields: Fields
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


def write(stream: IO[bytes], message: Message[object]) -> None:
    """Send a message. A record in its fields becomes an object of JSON.

    Raises:
        ProtocolError: An array's type is not allowed, or the message is too large.
    """
    listing = []
    for name, array in message.arrays.items():
        if array.dtype.name not in DTYPES:
            raise ProtocolError(f"array {name!r}: type {array.dtype} is not one of {', '.join(DTYPES)}")
        listing.append([name, array.dtype.name, list(array.shape)])
    content = {"id": message.id, "fields": message.fields, "arrays": listing}
    header = json.dumps(content, default=asdict).encode()
    if len(header) > HEADER_LIMIT or sum(array.nbytes for array in message.arrays.values()) > ARRAYS_LIMIT:
        raise ProtocolError(f"message too large: {len(header)} bytes of header")
    stream.write(struct.pack(">I", len(header)) + header)
    for array in message.arrays.values():
        stream.write(np.ascontiguousarray(array, dtype=DTYPES[array.dtype.name]).tobytes())
    stream.flush()


def read(stream: IO[bytes]) -> Message[Json] | None:
    """Receive a message, or return None at the end of the stream.

    Raises:
        ProtocolError: What comes is malformed or too large.
    """
    prefix = stream.read(4)
    if not prefix:
        return None
    (length,) = struct.unpack(">I", prefix) if len(prefix) == 4 else (0,)
    if not 2 <= length <= HEADER_LIMIT:
        raise ProtocolError(f"header of {length} bytes")
    try:
        header = json.loads(_exactly(stream, length))
        identity, fields, listing = header["id"], header["fields"], header["arrays"]
        if not (isinstance(identity, str) and isinstance(fields, dict) and isinstance(listing, list)):
            raise TypeError("id, fields or arrays of another type")
        specs = [_spec(entry) for entry in listing]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProtocolError(f"malformed header: {error!r}"[:200]) from error
    if len(specs) > COUNT_LIMIT or sum(size for *_, size in specs) > ARRAYS_LIMIT:
        raise ProtocolError(f"{len(specs)} arrays of {sum(size for *_, size in specs)} bytes")
    arrays = {}
    for name, dtype, shape, size in specs:
        arrays[name] = np.frombuffer(_exactly(stream, size), dtype=dtype).reshape(shape)
    return Message(identity, fields, arrays)


def _spec(entry: Any) -> tuple[str, np.dtype, list[int], int]:
    name, dtype_name, shape = entry
    if (
        not isinstance(name, str)
        or dtype_name not in DTYPES
        or not isinstance(shape, list)
        or len(shape) > DIMENSIONS_LIMIT
    ):
        raise ValueError(f"array {entry!r}"[:100])
    if not all(type(length) is int and 0 <= length <= ARRAYS_LIMIT for length in shape):
        raise ValueError(f"shape {shape!r}"[:100])
    dtype = np.dtype(DTYPES[dtype_name])
    return name, dtype, shape, math.prod(shape) * dtype.itemsize


def _exactly(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise ProtocolError(f"the stream ended after {len(content)} of {size} bytes")
    return content
