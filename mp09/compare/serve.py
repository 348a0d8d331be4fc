"""The worker's side: answers requests that come in on stdin, a line of JSON each, with a line of JSON on stdout.

When stdin ends, which it does too when the calling process is killed, the worker ends at once, whatever it computes.
This file loads nothing but the standard library before it watches stdin, so that this holds from the first moment on.
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
    """Answer every request with what `Served()` of that module, called with it, returns; an error with its words."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    requests: queue.SimpleQueue[dict] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    handle: Callable[..., dict[str, Any]] = import_module(module).Served()
    while True:
        try:
            answer = handle(**requests.get())
        except Mp09Error as error:
            answer = {"error": str(error)}
        except Exception as error:  # such as too little memory: the others' results must not be lost
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {(str(error) or 'no more is known').splitlines()[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


def _read(requests: queue.SimpleQueue) -> None:
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)
