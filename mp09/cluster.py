"""A Ray cluster (extra `cluster`): one that runs elsewhere, or one of this machine's cores."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from mp09.errors import ClusterError

REACH_S = 10.0


@contextmanager
def connected(address: str | None = None) -> Iterator:
    """The module `ray`, connected; this package goes to the cluster's nodes.

    address: of a running cluster, e.g. "auto" or "ray://host:10001"; None: start one on this machine.
    Raises ClusterError when Ray is not installed or the cluster can't be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError(f"Ray is not installed ({error}): pip install -e '.[cluster]'") from error
    if address:
        _reach(address)
    package = Path(__file__).resolve().parent
    modules = [package, package.parent / "models.py"]  # what travels to the nodes
    environment = {"py_modules": [str(path) for path in modules if path.exists()]} if address else {}
    options = {} if address else {"include_dashboard": False}
    try:
        ray.init(address, runtime_env=environment, log_to_driver=False, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ClusterError(f"Ray: {error}") from error
    try:
        yield ray
    except ray.exceptions.RayError as error:
        raise ClusterError(f"Ray: {str(error).strip().splitlines()[-1]}") from error
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Ray itself would wait for minutes for a cluster that is not there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():  # not "auto"
            socket.create_connection((host, int(port)), timeout=REACH_S).close()
    except OSError as error:
        raise ClusterError(f"Ray: no cluster answers at {address} ({error}).") from error


class RayExecutor:
    """Runs calls as tasks on a connected cluster, one core each; the function itself travels once."""

    def __init__(self, ray):
        self._ray = ray
        self._stored: dict[int, object] = {}
        self._task = ray.remote(num_cpus=1)(_call)

    def submit(self, function: Callable, *args) -> Future:
        if id(function) not in self._stored:
            self._stored[id(function)] = (function, self._ray.put(function))
        return self._task.remote(self._stored[id(function)][1], *args).future()


def _call(function: Callable, *args):
    return function(*args)
