import io
import json
import struct

import numpy as np
import pytest

from mp09.errors import ProtocolError
from mp09.grading.sandbox import protocol
from mp09.grading.sandbox.conversation import WorkerSettings
from mp09.grading.sandbox.held import Held
from mp09.grading.sandbox.isolation import Policy
from mp09.grading.sandbox.packets import End, Fork, Look, WarmAnswer, answer_in, packed, request_in
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
    stream = io.BytesIO(sent(Message("1", {})) + sent(Message("2", {})))
    assert [read(stream).id, read(stream).id, read(stream)] == ["1", "2", None]


def test_an_array_of_another_type_is_not_sent():
    with pytest.raises(ProtocolError, match="type complex128 is not one of"):
        sent(Message("1", {}, {"a": np.zeros(1, complex)}))


def test_a_message_that_is_too_large_is_not_sent(monkeypatch):
    monkeypatch.setattr(protocol, "HEADER_LIMIT", 10)
    with pytest.raises(ProtocolError, match="too large"):
        sent(Message("1", {}))


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


@pytest.mark.parametrize(
    "request_",
    [
        Fork("/tmp/x", WorkerSettings(42, 2), {"HOME": "/tmp/x"}, Policy(read=["/usr"], outside=[1, 2]), None),
        Look([7, 8]),
        End(7),
    ],
)
def test_a_request_to_the_warm_process_comes_out_of_its_packet(request_):
    came = request_in(packed(request_))
    assert type(came) is type(request_)
    assert packed(came) == packed(request_)


@pytest.mark.parametrize(
    "answer", [WarmAnswer(), WarmAnswer(pid=7), WarmAnswer(held=Held(1, False, True, 2)), WarmAnswer(error="")]
)
def test_an_answer_of_the_warm_process_comes_out_of_its_packet(answer):
    assert answer_in(packed(answer)) == answer


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
