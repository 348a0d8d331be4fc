"""Items are fetched ahead by a thread, and nothing else changes."""

import threading
import time

import pytest

from mp09.features.ahead import ahead


def test_fetching_ahead_keeps_order_and_passes_errors_on():
    def items():
        yield from range(5)
        raise ValueError("the sixth")

    got = []
    with pytest.raises(ValueError, match="the sixth"):
        got.extend(item for item in ahead(items()) if got.append(item))
    assert got == [0, 1, 2, 3, 4]


def test_fetching_ahead_works_while_the_other_side_does():
    def items():
        for number in range(4):
            time.sleep(0.1)
            yield number

    started = time.perf_counter()
    for _ in ahead(items()):
        time.sleep(0.1)
    assert time.perf_counter() - started < 0.7  # 0.8 one after the other


def test_fetching_ahead_ends_its_thread_when_no_one_listens():
    before = threading.active_count()
    source = ahead(iter(range(1000)))
    next(source)
    source.close()
    time.sleep(0.5)
    assert threading.active_count() == before
