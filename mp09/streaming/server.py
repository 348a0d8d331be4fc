"""improv's server for one pipeline: `python -m mp09.streaming.server GRAPH --store BYTES --log FILE --parent PID`.

Like `improv server`, but for the size of the store, which is 10 MB there, and for its sockets, which listen on every
interface there and on this machine alone here. It ends when the process that started it does, and all of it with it.
"""

import argparse
import ctypes
import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

PR_SET_PDEATHSIG = 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("graph", type=Path)
    parser.add_argument("--store", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    args = parser.parse_args()
    _end_with_parent(signal.SIGTERM)
    if os.getppid() != args.parent:  # it has ended already
        sys.exit(1)
    os.register_at_fork(after_in_child=_die_with_parent)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(processName)s %(message)s", filename=args.log)
    import improv.nexus

    improv.nexus.zmq = SimpleNamespace(Context=_local_context())
    improv.nexus.subprocess = SimpleNamespace(
        Popen=partial(subprocess.Popen, preexec_fn=_die_with_parent), DEVNULL=subprocess.DEVNULL
    )
    nexus = improv.nexus.Nexus()
    try:
        control, _ = nexus.createNexus(file=args.graph, store_size=args.store)
        if missing := nexus.config.config["actors"].keys() - nexus.actors.keys():
            raise ValueError(f"no actors {', '.join(sorted(missing))}")
    except Exception as error:  # what improv found wrong with the graph stands in its log alone
        lines = [line for line in args.log.read_text(errors="replace").splitlines() if "Error" in line]
        sys.exit(lines[-1] if lines else f"{type(error).__name__}: {error}")
    print(f"control port {control}", flush=True)
    nexus.startNexus()
    for child in multiprocessing.active_children():  # the links' queues
        child.kill()
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)  # its own: see process.py
    os._exit(0)  # threads of improv that wait for a message would hold it back


def _local_context() -> type:
    """zmq's context, whose sockets listen on this machine alone."""
    import zmq.asyncio

    class LocalSocket(zmq.asyncio.Socket):
        def bind(self, address: str):
            return super().bind(address.replace("*", "127.0.0.1"))

    class LocalContext(zmq.asyncio.Context):
        _socket_class = LocalSocket

    return LocalContext


def _die_with_parent() -> None:
    _end_with_parent(signal.SIGKILL)


def _end_with_parent(number: int) -> None:
    """Have Linux send this process a signal when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    main()
