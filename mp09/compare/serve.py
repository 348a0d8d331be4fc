"""The worker's side of a comparison: answers each request, a line of JSON on stdin, with a line of JSON on stdout.

Requests and answers are records of plain values, and a line holds the values of one by their names.

When stdin ends, which also happens when the calling process is killed, the worker ends at once, whatever it computes.
So that this holds from the first moment on, this file imports only the standard library and `errors` before it watches
stdin.
"""

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

from mp09.errors import Mp09Error

Answered = TypeVar("Answered")


class ModelRequest(Generic[Answered]):
    """Is the base of what a worker is asked: frozen records of plain values.

    Attributes:
        answer: the record that answers it, also of plain values. Each kind of request sets it for its whole class.
    """

    answer: type[Answered]


class Service(Protocol):
    """Is what the `Served` of a module must be.

    Attributes:
        requests: the kinds of requests that it answers.
    """

    requests: Sequence[type[ModelRequest[Any]]]

    def __call__(self, request: ModelRequest[Any], /) -> object:
        """Return the record that answers a request of one of these kinds."""


def request_line(request: ModelRequest[Any]) -> str:
    """Return the line that carries a request."""
    return json.dumps({"request": type(request).__name__, "values": vars(request)})


def serve(module: str) -> None:
    """Answer every request with what the `Served` of a module returns for it, or with the error. See `Service`."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to stderr, as it is no answer
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    served: Service = import_module(module).Served()
    kinds = {kind.__name__: kind for kind in served.requests}
    while True:
        try:
            line = json.loads(requests.get())
            answer: dict[str, object] = {"answer": vars(served(kinds[line["request"]](**line["values"])))}
        except Mp09Error as error:
            answer = {"error": str(error)}
        except Exception as error:  # e.g. too little memory: the answers to other requests must not be lost
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {(str(error) or 'no more is known').splitlines()[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


def _read(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)
