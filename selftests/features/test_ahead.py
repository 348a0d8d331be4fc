"""Tests that a thread fetches items ahead, and that nothing else changes."""

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
    begun = [threading.Event() for _ in range(4)]

    def items():
        for number, event in enumerate(begun):
            event.set()
            yield number

    for number in ahead(items()):
        assert all(event.wait(60) for event in begun[: number + 2])  # the next one is fetched while this one is used


def test_fetching_ahead_ends_its_thread_when_no_one_listens():
    before = threading.active_count()
    source = ahead(iter(range(1000)))
    next(source)
    source.close()
    until = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() == before
