"""Starts improv's server as a process, talks to it, and ends it together with everything it started."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psutil
import zmq

from mp09.errors import StreamError

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-stream"
START_S = 60.0
ANSWER_S = 5.0
END_S = 3.0
POLL_S = 0.05


def improv_python() -> Path:
    """Return the Python that has improv: this one, or that of `make stream`. Raises StreamError when neither has."""
    if find_spec("improv") and find_spec("improv.nexus"):  # a mere folder called improv has no such module
        return Path(sys.executable)
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        raise StreamError(f"improv is not installed: `make stream` makes its environment, {ENVIRONMENT.name}.")
    return python


class Server:
    """Runs one graph in improv's server.

    Use it in a `with` block, which leaves no process, no port and no file of the store behind.
    """

    def __init__(self, graph: Path, *, store: int, log: Path, actors: Path):
        """Start the server.

        Args:
            graph: the YAML file of a completed graph.
            store: the size of improv's store, in bytes.
            log: the file for improv's log; what the server prints goes into a file .out beside it.
            actors: a folder whose modules the graph may take actors from.

        Raises:
            StreamError: the server does not start.
        """
        self._log, self._output = log, log.with_suffix(".out")
        python = improv_python()
        self._socket: zmq.Socket[bytes] | None = None
        self._parts: dict[psutil.Process, str] = {}
        options = ("--store", store, "--log", log, "--parent", os.getpid())
        with open(self._output, "w") as output:
            self._process = subprocess.Popen(
                [python, "-m", "mp09.streaming.server", graph, *map(str, options)],
                env={
                    **os.environ,
                    "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",  # so that improv finds plasma_store
                    "PYTHONPATH": f"{ROOT}{os.pathsep}{actors}",
                    "PYTHONUNBUFFERED": "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            self.wait_for(lambda: self._said("control port"), "its start", START_S)
            self._socket = zmq.Context.instance().socket(zmq.REQ)
            self._socket.setsockopt(zmq.RCVTIMEO, int(1000 * ANSWER_S))
            self._socket.setsockopt(zmq.LINGER, 0)
            self._socket.connect(f"tcp://127.0.0.1:{self._said('control port')}")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, command: str) -> None:
        """Send a command: setup, run, stop or quit. Raises StreamError when improv does not answer."""
        assert self._socket is not None  # the server has started
        try:
            self._socket.send_string(command)
            self._socket.recv_string()
        except zmq.ZMQError as error:
            raise StreamError(f"improv does not answer to {command} ({error}); see {self._log}.") from error

    def check(self) -> None:
        """Raise StreamError when the server has ended, or one of the processes that it needs."""
        dead = [part for part in self._parts if not is_alive(part.pid)]
        if dead:
            time.sleep(POLL_S)  # all of them end when the server does, and then the server is to be named
        if (code := self._process.poll()) is not None:
            last = self._output.read_text().strip().rpartition("\n")[2]
            why = f"was killed by signal {-code}" if code < 0 else f"has ended: {last or 'it said nothing'}"
            raise StreamError(f"improv's server {why}; see {self._log}.")
        for part in dead:
            raise StreamError(f"improv: the {self._parts[part]} ({part.pid}) has ended by itself or was killed.")

    def remember(self, actors: set[int]) -> None:
        """Have `check` watch the server's own processes: its store, and those of its links.

        Args:
            actors: the process numbers of the actors, which are watched by their posts.

        Raises:
            StreamError: one has ended meanwhile.
        """
        try:
            for part in psutil.Process(self._process.pid).children():
                if part.pid not in actors:
                    self._parts[part] = "store" if "plasma" in part.name() else "process of a link"
        except psutil.NoSuchProcess as error:
            self.check()
            raise StreamError(f"improv: a process of its server ({error.pid}) has ended.") from error

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        """Wait until a condition is true.

        Raises:
            StreamError: it does not come true within `seconds`, where `what` names it; or as `check` does.
        """
        until = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > until:
                raise StreamError(f"improv: waited {seconds:.0f} s for {what}; see {self._log}.")
            time.sleep(POLL_S)

    def memory(self) -> int:
        """Return how many bytes of memory the server and all its processes use.

        What they share counts once on Linux, and is left out on other systems.
        """
        total = 0
        try:
            server = psutil.Process(self._process.pid)
            for process in (server, *server.children(recursive=True)):
                usage = process.memory_full_info()
                total += getattr(usage, "pss", usage.uss)
        except psutil.Error:  # one of them has ended meanwhile
            pass
        return total

    def close(self) -> None:
        """Ask the server to end, make sure that it does, and remove its scratch folder."""
        try:
            if self._socket and self._process.poll() is None:
                self.send("quit")
                self._process.wait(ANSWER_S)
        except (StreamError, subprocess.TimeoutExpired):
            pass
        finally:
            if self._socket:
                self._socket.close()
            self._kill()
            if scratch := self._said("scratch"):
                shutil.rmtree(scratch, ignore_errors=True)

    def _kill(self) -> None:
        """Kill every process of the session that the server leads."""
        until = time.monotonic() + END_S
        try:
            while time.monotonic() < until:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.poll()
                time.sleep(POLL_S)
        except (ProcessLookupError, PermissionError):  # nobody is left; macOS raises the latter for zombies
            pass
        self._process.wait()

    def _said(self, what: str) -> str | None:
        """Return what the server printed behind these words at the start of a line, or None."""
        found = re.search(rf"^{what} (.+)\n", self._output.read_text(), re.MULTILINE)
        return found and found.group(1)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie, which has ended and waits for its parent to ask, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
