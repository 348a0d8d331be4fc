"""How actors say where they are: a small file each, which the driver reads. improv itself only logs their errors."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

INTERVAL_S = 0.2  # between two files with nothing but progress


@dataclass(frozen=True)
class Post:
    """state: started, ready, running, done, stopped or failed. frames: how many are done. error: in words.

    seconds: since the first frame's reading.
    """

    pid: int
    state: str
    frames: int = 0
    error: str = ""
    seconds: float = 0.0


class PostBox:
    """An actor's end."""

    def __init__(self, folder: Path, actor: str):
        self._path = Path(folder) / f"{actor}.json"
        self._last, self._due = None, 0.0

    def put(self, state: str, frames: int = 0, error: str = "", seconds: float = 0.0) -> None:
        """Say it; progress alone is said every INTERVAL_S."""
        now = time.monotonic()
        if state == self._last and now < self._due:
            return
        self._last, self._due = state, now + INTERVAL_S
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(Post(os.getpid(), state, frames, error, seconds))))
        os.replace(temporary, self._path)


def read_posts(folder: Path) -> dict[str, Post]:
    """Actor -> the last it said; what a power cut left is nothing."""
    said = {}
    for path in sorted(Path(folder).glob("*.json")):
        try:
            said[path.stem] = Post(**json.loads(path.read_text()))
        except (ValueError, TypeError):
            continue
    return said
