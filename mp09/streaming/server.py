"""improv's server for one pipeline: `python -m mp09.streaming.server GRAPH --store BYTES --log FILE`.

Like `improv server`, but for the size of the store, which is 10 MB there, and for its sockets, which listen on every
interface there and on this machine alone here. It ends when the process that started it does.
"""

import argparse
import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import improv.nexus
import zmq.asyncio

PR_SET_PDEATHSIG = 1


class _LocalSocket(zmq.asyncio.Socket):
    def bind(self, address: str):
        return super().bind(address.replace("*", "127.0.0.1"))


class _LocalContext(zmq.asyncio.Context):
    _socket_class = _LocalSocket


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("graph", type=Path)
    parser.add_argument("--store", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(processName)s %(message)s", filename=args.log)
    _end_with_parent(signal.SIGTERM)
    os.register_at_fork(after_in_child=lambda: _end_with_parent(signal.SIGKILL))
    improv.nexus.zmq = SimpleNamespace(Context=_LocalContext)
    nexus = improv.nexus.Nexus()
    control, _ = nexus.createNexus(file=args.graph, store_size=args.store)
    print(f"control port {control}", flush=True)
    nexus.startNexus()
    for child in multiprocessing.active_children():  # the links' queues
        child.kill()
    os._exit(0)  # threads of improv that wait for a message would hold it back


def _end_with_parent(number: int) -> None:
    """Have Linux send this process a signal when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


if __name__ == "__main__":
    main()
