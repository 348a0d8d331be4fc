"""Count a worker's memory in a control group: the kernel sees all of it there, however the processes hide it."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mp09.grading.sandbox.machine import GROUPS, OWN_GROUPS

PREFIX = "mp09-"
# Names in memory.stat, of cgroup v1 and v2, for memory that is not a copy of files on disk. In v1 the kernel's own
# memory is not among them and has a file of its own.
HELD = {"rss", "anon", "shmem", "kernel"}
KERNEL = "memory.kmem.usage_in_bytes"


class MemoryGroup:
    """Represents one memory control group, of cgroup version 1 or 2.

    `make` creates a new one, and returns None where this user may create none, as in most containers. `used_bytes`
    returns what the kernel counts, and 0 when the group is gone.

    Attributes:
        folder: The group's folder below /sys/fs/cgroup.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def make(cls) -> "MemoryGroup | None":
        for parent in _parents():
            folder = parent / f"{PREFIX}{uuid.uuid4().hex}"
            with suppress(OSError):
                folder.mkdir()
                if (folder / "memory.stat").exists():
                    return cls(folder)
                folder.rmdir()
        return None

    def enter(self) -> None:
        """Put this process, and all that it will start, into the group."""
        (self.folder / "cgroup.procs").write_text("0")

    def used_bytes(self) -> int:
        try:
            lines = (self.folder / "memory.stat").read_text().splitlines()
        except OSError:  # the group is gone
            return 0
        used = sum(int(value) for name, value in map(str.split, lines) if name in HELD)
        with suppress(OSError, ValueError):
            used += int((self.folder / KERNEL).read_text())
        return used

    def remove(self) -> None:
        """Remove the group. This works only when all its processes are gone, and does nothing before."""
        with suppress(OSError):
            self.folder.rmdir()


def _parents() -> Iterator[Path]:
    """Yield the groups below which one for memory can be made: this process's own, then the mounted root."""
    try:
        lines = [line.split(":", 2) for line in OWN_GROUPS.read_text().splitlines()]
    except OSError:
        return
    for _, controllers, path in lines:
        if controllers == "memory":
            yield from (GROUPS / "memory" / path.strip("/"), GROUPS / "memory")
        elif controllers == "":
            for parent in (GROUPS / path.strip("/"), GROUPS):
                with suppress(OSError):
                    if "memory" in (parent / "cgroup.subtree_control").read_text().split():
                        yield parent
