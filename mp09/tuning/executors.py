"""Runs trials: in this process, in several processes of this machine, or where a given executor runs them."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from mp09.errors import Mp09Error

Evaluate = Callable[[dict[str, Any]], float]


class TrialExecutor(Protocol):
    """Runs trials, here or elsewhere."""

    def submit(self, evaluate: Evaluate, parameters: dict[str, Any], /) -> Future[float]: ...


class _InThisProcess:
    """Is an executor that runs each function in this process, while it is submitted."""

    def submit(self, evaluate: Evaluate, parameters: dict[str, Any]) -> Future[float]:
        future: Future[float] = Future()
        try:
            future.set_result(evaluate(parameters))
        except Mp09Error as error:
            future.set_exception(error)
        return future


class _InProcesses:
    """Is an executor whose processes got the function at their start, as it may hold many features."""

    def __init__(self, pool: ProcessPoolExecutor):
        self._pool = pool

    def submit(self, _evaluate: Evaluate, parameters: dict[str, Any]) -> Future[float]:
        return self._pool.submit(_call, parameters)


_kept: dict[str, Evaluate] = {}  # in a process of the pool: what it evaluates with


def _begin(threads: int, evaluate: Evaluate) -> None:
    torch.set_num_threads(threads)
    _kept["evaluate"] = evaluate


def _call(parameters: dict[str, Any]) -> float:
    return _kept["evaluate"](parameters)


@contextmanager
def executor_for(given: TrialExecutor | None, parallel: int, evaluate: Evaluate) -> Iterator[TrialExecutor]:
    """Give the executor that was asked for, or one of our own for `evaluate`, which is closed afterwards."""
    if given is not None or parallel == 1:
        yield given or _InThisProcess()
        return
    threads = max(1, torch.get_num_threads() // parallel)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(parallel, context, initializer=_begin, initargs=(threads, evaluate)) as pool:
        yield _InProcesses(pool)
