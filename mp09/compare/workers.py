"""The caller's side of a comparison: a process for each model, and turns among these processes.

Each model has a process of its own so that none inherits the memory of another.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mp09.compare.serve import Answered, ModelRequest, request_line
from mp09.errors import CompareError

ROOT = Path(__file__).resolve().parents[2]
# The folder of this package replaces the current folder in the path, whose files could be taken for modules.
BOOT = "import sys; sys.path[0] = sys.argv.pop(1); from mp09.compare.serve import serve; serve({module!r})"


class ModelProcess:
    """Runs a new Python in which `serve` answers requests with the `Served` of a module."""

    def __init__(self, module: str):
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (closed in end)
        self._process = subprocess.Popen(
            [sys.executable, "-c", BOOT.format(module=module), str(ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            encoding="utf-8",
            start_new_session=True,  # so that only the caller gets Ctrl-C, and handles it
        )
        assert self._process.stdin is not None  # both are pipes
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self.pid = self._process.pid

    def ask(self, request: ModelRequest[Answered]) -> Answered:
        """Send a request and return its answer. Raises CompareError when that is an error, or the process has died."""
        try:
            print(request_line(request), file=self._requests, flush=True)
            line = self._answers.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):  # the process died before or while it answered
            raise CompareError(self._how_it_died())
        found = json.loads(line)
        if "error" in found:
            raise CompareError(found["error"])
        return request.answer(**found["answer"])

    def end(self) -> None:
        """Kill the process, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        for file in (self._requests, self._answers, self._complaints):
            try:
                file.close()
            except BrokenPipeError:  # the process never read its last request
                pass

    def _how_it_died(self) -> str:
        code = self._process.wait()
        self._complaints.seek(0)
        lines = self._complaints.read().decode(errors="replace").strip().splitlines()
        how = f"was ended by signal {-code}; is there enough memory?" if code < 0 else f"ended with exit code {code}."
        return f"its process {how}{' Its last words: ' + lines[-1] if lines else ''}"


class Team:
    """Holds workers by the names of their models. Use it in a `with` block, which ends them all.

    An error of one worker ends that worker and is kept in `failures`; the others go on.
    """

    def __init__(self, module: str):
        self._module = module
        self.workers: dict[str, ModelProcess] = {}
        self.failures: dict[str, str] = {}

    def __enter__(self) -> "Team":
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.workers):
            self.dismiss(name)

    def hire(self, name: str) -> None:
        """Start a worker for the model of this name."""
        self.workers[name] = ModelProcess(self._module)

    def ask(self, name: str, request: ModelRequest[Answered]) -> Answered | None:
        """Return a worker's answer; None when it failed."""
        try:
            return self.workers[name].ask(request)
        except CompareError as error:
            self.failures[name] = str(error)
            self.dismiss(name)
            return None

    def dismiss(self, name: str) -> None:
        """End a worker."""
        self.workers.pop(name).end()


def by_turns(
    team: Team,
    rounds: int,
    request: ModelRequest[Answered],
    *,
    watch: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, list[tuple[float, Answered]]]:
    """Ask every worker the same once a round, one after the other, so that a slow minute affects all of them.

    Args:
        team: its workers are asked.
        rounds: how many rounds there are.
        request: what each worker is asked.
        watch: is called after each round with the number of rounds done and of all rounds.

    Returns:
        by name, the turns of the workers that gave all answers: for each when it began, in seconds since the first turn
        began, and its answer.
    """
    turns: dict[str, list[tuple[float, Answered]]] = {name: [] for name in team.workers}
    started = time.monotonic()
    for done in range(rounds):
        for name in list(team.workers):
            began = time.monotonic() - started
            if (answer := team.ask(name, request)) is not None:
                turns[name].append((began, answer))
        watch(done + 1, rounds)
    return {name: turns[name] for name in team.workers}
