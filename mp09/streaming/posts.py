"""Reports of the actors: each writes a small file about itself, and the driver reads these files.

They are needed because improv itself only logs an actor's errors.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

INTERVAL_S = 0.2  # seconds between two reports of nothing but progress


@dataclass(frozen=True)
class Post:
    """A post is what an actor reports of itself.

    Attributes:
        pid: the number of its process.
        state: "started", "ready", "running", "done", "stopped" or "failed".
        frames: how many frames are done.
        error: what went wrong, in words, when the state is "failed".
        seconds: from reading the first frame to writing the last one; the writer's, when it is "done".
    """

    pid: int
    state: str
    frames: int = 0
    error: str = ""
    seconds: float = 0.0


class PostBox:
    """Writes the reports of one actor, into `actor`.json in a folder."""

    def __init__(self, folder: Path, actor: str):
        self._path = Path(folder) / f"{actor}.json"
        self._last: str | None = None
        self._due = 0.0

    def put(self, state: str, frames: int = 0, error: str = "", seconds: float = 0.0) -> None:
        """Report a state at once, and mere progress in the same state every INTERVAL_S."""
        now = time.monotonic()
        if state == self._last and now < self._due:
            return
        self._last, self._due = state, now + INTERVAL_S
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(Post(os.getpid(), state, frames, error, seconds))))
        os.replace(temporary, self._path)


def read_posts(folder: Path) -> dict[str, Post]:
    """Return the last report of each actor by its name; a file that a power cut damaged does not count."""
    said = {}
    for path in sorted(Path(folder).glob("*.json")):
        try:
            said[path.stem] = Post(**json.loads(path.read_text()))
        except (ValueError, TypeError):
            continue
    return said
