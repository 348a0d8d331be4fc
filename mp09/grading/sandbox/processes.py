"""Start a worker in a new Python, which works on any system, and end it with all that it started."""

import json
import os
import signal
import site
import subprocess
import sys
import uuid
from dataclasses import asdict
from pathlib import Path

import psutil

from mp09.grading import rubric
from mp09.grading.sandbox.conversation import WorkerSettings

PACKAGE_ROOT = Path(__file__).resolve().parents[3]
# The folder that holds this package is on the path only while the worker's own modules are loaded, because the
# reference lies in it.
BOOT = (
    "import sys; sys.path[0] = sys.argv.pop(1); from mp09.grading.sandbox.{module} import main; del sys.path[0]; main()"
)


def inherited_environment() -> dict[str, str]:
    """Return what workers get of this process's environment, and settings for Python.

    One of these fixes the order of sets, which can become part of a result.
    """
    python = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONUSERBASE": site.getuserbase()}
    return {name: os.environ[name] for name in rubric.ENVIRONMENT if name in os.environ} | python


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `main` of a module of this package in a new Python."""
    return [sys.executable, "-u", "-c", BOOT.format(module=module), str(PACKAGE_ROOT), *arguments]


class Spawned:
    """Runs a worker in a new Python.

    It has what a `Forked` worker has: `pid`, the streams `requests`, `replies` and `log`, and `poll`, `wait` and `end`.
    """

    def __init__(self, folder: Path, settings: WorkerSettings, environment: dict[str, str]):
        self._token = uuid.uuid4().hex
        self._process = subprocess.Popen(
            python_command("worker", json.dumps(asdict(settings))),
            cwd=folder,
            env=environment | {"MP09_WORKER": self._token},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None  # all three are pipes
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.requests, self.replies, self.log = self._process.stdin, self._process.stdout, self._process.stderr
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Return the exit code, which is negative for a signal, or None when the worker still runs after this time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Kill the worker and every process that it started, and wait until they are gone."""
        for process in self._family():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        if hasattr(os, "killpg"):
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        self._process.kill()
        self._process.wait()
        psutil.wait_procs(self._family(), timeout=5)

    def _family(self) -> list[psutil.Process]:
        """Find descendants, and processes that left the tree but carry the worker's token in their environment."""
        family = {}
        for process in psutil.process_iter():
            try:
                if process.environ().get("MP09_WORKER") == self._token:
                    family[process.pid] = process
            except psutil.Error:
                continue
        try:
            family |= {child.pid: child for child in psutil.Process(self.pid).children(recursive=True)}
        except psutil.NoSuchProcess:
            pass
        return list(family.values())
