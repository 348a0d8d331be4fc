"""Use a Ray cluster: one that runs elsewhere, or one of this machine's cores.

Ray comes with the extra `cluster`.
"""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from mp09.errors import ClusterError

if TYPE_CHECKING:
    from ray import ObjectRef

CallResult = TypeVar("CallResult")
REACH_S = 10.0  # how long to wait for a cluster to answer


@contextmanager
def connected(address: str | None = None) -> Iterator[ModuleType]:
    """Connect to a cluster, give the module `ray`, and disconnect at the end of the block.

    This package and models.py are sent to the nodes of a running cluster.

    Args:
        address: the address of a running cluster, e.g. "auto" or "ray://host:10001". With None, one is started on this
            machine.

    Raises:
        ClusterError: Ray is not installed, the cluster can't be reached, or an error of Ray ends the block.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError(f"Ray is not installed ({error}): pip install -e '.[cluster]'") from error
    if address:
        _reach(address)
    package = Path(__file__).resolve().parent
    modules = [package, package.parent / "models.py"]  # these are sent to the nodes
    environment = {"py_modules": [str(path) for path in modules if path.exists()]} if address else {}
    dashboard = None if address else False  # it can be left out only where a cluster is started
    try:
        ray.init(address, runtime_env=environment, log_to_driver=False, include_dashboard=dashboard)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ClusterError(f"Ray: {error}") from error
    try:
        yield ray
    except ray.exceptions.RayError as error:
        raise ClusterError(f"Ray: {str(error).strip().splitlines()[-1]}") from error
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise ClusterError if no cluster answers at an address; Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        if port.isdigit():  # there is no port in "auto"
            socket.create_connection((host, int(port)), timeout=REACH_S).close()
    except OSError as error:
        raise ClusterError(f"Ray: no cluster answers at {address} ({error}).") from error


class RayExecutor:
    """Runs calls as tasks on a connected cluster, each on one core.

    A function is sent to the cluster only once, however often it is called.
    """

    def __init__(self, ray: ModuleType):
        self._ray = ray
        # The function is kept, too, as another one could get its id.
        self._stored: dict[int, tuple[Callable[..., Any], ObjectRef[Any]]] = {}
        self._task = ray.remote(num_cpus=1)(_call)

    def submit(self, function: Callable[..., CallResult], *args: Any) -> Future[CallResult]:
        if id(function) not in self._stored:
            self._stored[id(function)] = (function, self._ray.put(function))
        return self._task.remote(self._stored[id(function)][1], *args).future()


def _call(function: Callable[..., CallResult], *args: Any) -> CallResult:
    return function(*args)
