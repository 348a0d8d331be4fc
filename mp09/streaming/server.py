"""improv's server for one pipeline: `python -m mp09.streaming.server GRAPH --store BYTES --log FILE --parent PID`.

It prints its scratch folder and its control port.

Like `improv server`, but for the size of the store, which is 10 MB there, and for its sockets, which listen on every
interface there and on this machine alone here. It ends when the process that started it does, and all of it with it;
the files of the store and the links lie in the scratch folder, which improv itself would leave behind.
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
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # a folder nobody knows would be left behind
    scratch = tempfile.mkdtemp(prefix="mp09-")
    signal.signal(signal.SIGTERM, lambda *_: _end(scratch, 1))  # until improv has its own
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
    """At once: threads of improv that wait for a message would hold the process back."""
    for child in multiprocessing.active_children():  # the links' queues
        child.kill()
    shutil.rmtree(scratch, ignore_errors=True)
    os._exit(code)


def _serve(graph: Path, store: int, log: Path, scratch: str) -> None:
    """Until it is told to quit. Raises RuntimeError with the reason when improv refuses the graph."""
    import improv.nexus

    improv.nexus.uuid = SimpleNamespace(uuid4=lambda: f"{scratch}/store")  # joined to "/tmp/", it stays what it is
    improv.nexus.zmq = SimpleNamespace(Context=_local_context())
    improv.nexus.subprocess = SimpleNamespace(
        Popen=partial(subprocess.Popen, preexec_fn=_die_with_parent), DEVNULL=subprocess.DEVNULL
    )
    nexus = improv.nexus.Nexus()
    try:
        control, _ = nexus.createNexus(file=graph, store_size=store)
        if missing := nexus.config.config["actors"].keys() - nexus.actors.keys():
            raise ValueError(f"no actors {', '.join(sorted(missing))}")
    except Exception as error:  # what improv found wrong with the graph stands in its log alone
        lines = log.read_text(errors="replace").splitlines()
        why = f"{type(error).__name__}: {error}"
        found = next((line for line in lines if "Error" in line or "Exception in" in line), why)
        raise RuntimeError(found) from error
    print(f"control port {control}", flush=True)
    nexus.startNexus()


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
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the server's own is not its children's


def _end_with_parent(number: int) -> None:
    """Have Linux send this process a signal when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    main()
