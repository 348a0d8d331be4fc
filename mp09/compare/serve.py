"""The worker's side of a comparison: answers each request, a line of JSON on stdin, with a line of JSON on stdout.

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
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mp09.errors import Mp09Error


def serve(module: str) -> None:
    """Answer every request with what `Served()` of the module returns when it is called with it, or with the error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to stderr, as it is no answer
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    handle: Callable[..., dict[str, Any]] = import_module(module).Served()
    while True:
        try:
            answer = handle(**requests.get())
        except Mp09Error as error:
            answer = {"error": str(error)}
        except Exception as error:  # e.g. too little memory: the answers to other requests must not be lost
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {(str(error) or 'no more is known').splitlines()[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


def _read(requests: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)
