"""Defines the base of our actors: an actor of improv whose errors end the run."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from improv.actor import ManagedActor, RunManager

from mp09.errors import Mp09Error, StreamError
from mp09.streaming.posts import PostBox
from mp09.streaming.timing import TimeTable

SIGNAL_S = 2e-3  # seconds to wait for a signal; improv's own 1e-6 would keep a core busy
STEP_S = 0.05  # seconds that an actor works, or waits for work, before it looks for signals


class Actor(ManagedActor):
    """An actor whose errors end the run; improv itself would only log them.

    Args:
        folder: the folder of the run.
        timing: whether to keep a table of times in that folder.
    """

    def __init__(self, *args: object, folder: str = "", timing: bool = False):
        super().__init__(*args)
        self.folder, self.timing = Path(folder), timing
        self.table: TimeTable | None = None
        self.frames = 0
        self.actions = {
            "setup": self._watched(self._begin),
            "run": self._watched(self.runStep),
            "stop": self._watched(self.stop),
        }

    def run(self) -> None:
        self.post, self.state = PostBox(self.folder / "actors", self.name), "running"
        self.post.put("started", self.frames)
        with RunManager(self.name, self.actions, self.links, timeout=SIGNAL_S):
            pass

    def runStep(self) -> None:  # noqa: N802 (improv's name)
        """Work while there is something to do, but look for signals after STEP_S."""
        until = time.monotonic() + STEP_S
        while self.step() and time.monotonic() < until:
            pass
        if self.state == "running":
            self.post.put("running", self.frames)

    def step(self) -> bool:
        """Do one piece of work, and return False when there was none to do."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Get ready for the first frame. This happens in the actor's own process."""

    def stop(self) -> None:
        if self.table:
            self.table.close()
        self.post.put("stopped", self.frames)

    def links_named(self, start: str) -> list:
        """Return the links whose names begin with `start`, e.g. `to_Processor1` and `to_Processor2`, by number."""
        names = [name for name in self.links if name.startswith(start)]
        return [self.links[name] for name in sorted(names, key=lambda name: (len(name), name))]

    def put(self, array: np.ndarray, name: str) -> object:
        """Put an array into the store and return its id.

        Raises:
            StreamError: the store did not take it, where improv itself returns None.
        """
        array = np.ascontiguousarray(array)  # the store copies any other array slowly
        if (key := self.client.put(array, name)) is None:
            raise StreamError(
                f"improv's store did not take {array.nbytes / 1e6:.1f} MB. Is it full? Give it more: --store."
            )
        return key

    def get(self, key: object) -> np.ndarray:
        """Return the array that has this id. Raises StreamError when the store does not have it."""
        try:
            return self.client.getID(key)
        except Exception as error:  # improv means to raise an error of its own, and fails to make it
            raise StreamError("improv's store has lost an array. Give it more: --store.") from error

    def times(self, first: int, rows: Iterable[Iterable[float]]) -> None:
        """Add the seconds of the frames from `first` on to the table, if there is one."""
        if self.table:
            self.table.add(first, rows)

    def _begin(self) -> None:
        if self.timing:
            self.table = TimeTable(self.folder / f"{self.name}.csv")
        self.prepare()
        self.post.put("ready", self.frames)

    def _watched(self, action: Callable[[], None]) -> Callable[[], None]:
        def watched() -> None:
            try:
                action()
            except Exception as error:
                self.actions["run"] = lambda: time.sleep(STEP_S)
                words = str(error) if isinstance(error, Mp09Error) else f"{type(error).__name__}: {_reason(error)}"
                try:
                    self.post.put("failed", self.frames, words)
                except OSError:  # e.g. a full disk: the driver sees at least that this process is gone
                    os._exit(1)
                raise  # for improv to log

        return watched


def _reason(error: Exception) -> str:
    """Return one line of an error: the first, but of TorchScript's the last, as those above only say where it was."""
    lines = str(error).strip().splitlines() or ["no more is known"]
    return lines[-1].removeprefix("RuntimeError: ") if "TorchScript" in lines[0] else lines[0]
