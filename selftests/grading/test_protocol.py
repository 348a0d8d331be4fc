import io
import json
import struct

import numpy as np
import pytest

from mp09.errors import ProtocolError
from mp09.grading.sandbox import protocol
from mp09.grading.sandbox.protocol import Message, read, write


def sent(message: Message) -> bytes:
    stream = io.BytesIO()
    write(stream, message)
    return stream.getvalue()


def header(**changes) -> bytes:
    content = json.dumps({"id": "1", "fields": {}, "arrays": []} | changes).encode()
    return struct.pack(">I", len(content)) + content


@pytest.mark.parametrize("dtype", protocol.DTYPES)
def test_arrays_of_every_allowed_type_come_back(dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    message = read(io.BytesIO(sent(Message("1", {"a": [1, "x", None]}, {"b": array, "empty": array[:0]}))))
    assert (message.id, message.fields) == ("1", {"a": [1, "x", None]})
    assert message.arrays["b"].dtype == array.dtype
    assert np.array_equal(message.arrays["b"], array)
    assert message.arrays["empty"].shape == (0, 3, 4)


def test_messages_follow_each_other():
    stream = io.BytesIO(sent(Message("1")) + sent(Message("2")))
    assert [read(stream).id, read(stream).id, read(stream)] == ["1", "2", None]


def test_an_array_of_another_type_is_not_sent():
    with pytest.raises(ProtocolError, match="type complex128 is not one of"):
        sent(Message("1", {}, {"a": np.zeros(1, complex)}))


def test_a_message_that_is_too_large_is_not_sent(monkeypatch):
    monkeypatch.setattr(protocol, "HEADER_LIMIT", 10)
    with pytest.raises(ProtocolError, match="too large"):
        sent(Message("1"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0", "header of 0 bytes"),
        (b"\xff\xff\xff\xff", "header of 4294967295 bytes"),
        (header()[:-1], "the stream ended after"),
        (struct.pack(">I", 4) + b"{]}x", "malformed header"),
        (struct.pack(">I", 40000) + b"[" * 40000, "malformed header"),
        (header(id=3), "malformed header"),
        (header(arrays=[["a", "object", [1]]]), "malformed header"),
        (header(arrays=[["a", "uint8", [-1]]]), "malformed header"),
        (header(arrays=[["a", "uint8", [True]]]), "malformed header"),
        (header(arrays=[["a", "uint8", [1] * 9]]), "malformed header"),
        (header(arrays=[["a", "uint8"]]), "malformed header"),
        (header(arrays=[["a", "float64", [1 << 20, 1 << 20]]]), "arrays of 8796093022208 bytes"),
        (header(arrays=[["a", "uint8", [5]]]) + b"abc", "the stream ended after 3 of 5 bytes"),
    ],
)
def test_malformed_messages_are_refused(content, message):
    with pytest.raises(ProtocolError, match=message):
        read(io.BytesIO(content))


def test_random_bytes_never_do_more_than_raise_protocol_errors():
    rng = np.random.default_rng(0)
    good = sent(Message("1", {"a": 1}, {"b": np.zeros(4)}))
    for _ in range(2000):
        damaged = bytearray(good)
        for place in rng.integers(0, len(good), rng.integers(1, 6)):
            damaged[place] = rng.integers(0, 256)
        try:
            read(io.BytesIO(bytes(damaged)))
        except ProtocolError:
            continue
