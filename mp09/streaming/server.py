"""Runs improv's server for one pipeline, and prints its scratch folder and its control port.

    python -m mp09.streaming.server GRAPH --store BYTES --log FILE --parent PID

It differs from `improv server` in four ways. The size of the store can be chosen, and is not always 10 MB. Its sockets
listen on this machine alone, and not on every interface. It ends, with all its processes, when the process that
started it ends. And the files of the store and of the links lie in a scratch folder that is removed, where improv
itself would leave them behind.
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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zmq.sugar.socket import _SocketContext

PR_SET_PDEATHSIG = 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("graph", type=Path)
    parser.add_argument("--store", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True)
    args = parser.parse_args()
    _end_with_parent(signal.SIGTERM)
    if os.getppid() != args.parent:  # the parent ended before the line above
        sys.exit(1)
    # Without the mask, ending right after mkdtemp would leave a folder behind that nobody knows.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    scratch = tempfile.mkdtemp(prefix="mp09-")
    signal.signal(signal.SIGTERM, lambda *_: _end(scratch, 1))  # until improv sets a handler of its own
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    print(f"scratch {scratch}", flush=True)
    os.environ["TMPDIR"] = tempfile.tempdir = scratch
    os.register_at_fork(after_in_child=_die_with_parent)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(processName)s %(message)s", filename=args.log)
    try:
        _serve(args.graph, args.store, args.log, scratch)
    except Exception as error:
        print(error, file=sys.stderr, flush=True)
        _end(scratch, 1)
    _end(scratch, 0)


def _end(scratch: str, code: int) -> None:
    """End the process at once, as threads of improv that wait for a message would hold it back."""
    for child in multiprocessing.active_children():  # the processes of the links' queues
        child.kill()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(code)


def _serve(graph: Path, store: int, log: Path, scratch: str) -> None:
    """Serve until improv is told to quit. Raises RuntimeError with the reason when improv refuses the graph."""
    import improv.nexus

    # improv joins this name to "/tmp/", and an absolute path stays as it is.
    improv.nexus.uuid = SimpleNamespace(uuid4=lambda: f"{scratch}/store")
    improv.nexus.zmq = SimpleNamespace(Context=_local_context())
    improv.nexus.subprocess = SimpleNamespace(
        Popen=partial(subprocess.Popen, preexec_fn=_die_with_parent), DEVNULL=subprocess.DEVNULL
    )
    nexus = improv.nexus.Nexus()
    try:
        control, _ = nexus.createNexus(file=graph, store_size=store)
        if missing := nexus.config.config["actors"].keys() - nexus.actors.keys():
            raise ValueError(f"no actors {', '.join(sorted(missing))}")
    except Exception as error:  # only improv's log says what is wrong with the graph
        lines = log.read_text(errors="replace").splitlines()
        why = f"{type(error).__name__}: {error}"
        found = next((line for line in lines if "Error" in line or "Exception in" in line), why)
        raise RuntimeError(found) from error
    print(f"control port {control}", flush=True)
    nexus.startNexus()


def _local_context() -> type:
    """Return a kind of zmq context whose sockets listen on this machine alone."""
    import zmq.asyncio

    class LocalSocket(zmq.asyncio.Socket):
        def bind(self, address: str) -> "_SocketContext[LocalSocket]":  # type: ignore[override]  # of a base of zmq
            return super().bind(address.replace("*", "127.0.0.1"))

    class LocalContext(zmq.asyncio.Context):
        _socket_class = LocalSocket

    return LocalContext


def _die_with_parent() -> None:
    _end_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the server's own handler is not for its children


def _end_with_parent(number: int) -> None:
    """Have Linux send this process a signal when its parent ends; on other systems nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    main()
