"""A memory control group for a worker: the kernel counts there what all its processes hold, however they hide it."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mp09.grading.machine import GROUPS, OWN_GROUPS

PREFIX = "mp09-"
# memory.stat's names of memory that is not a copy of files on disk, in cgroup v1 and v2; of v1, the kernel's is apart
HELD = {"rss", "anon", "shmem", "kernel"}
KERNEL = "memory.kmem.usage_in_bytes"


class MemoryGroup:
    """One group. `make` gives None where this user may make none, as in most containers."""

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
        except OSError:  # it has ended
            return 0
        used = sum(int(value) for name, value in map(str.split, lines) if name in HELD)
        with suppress(OSError, ValueError):
            used += int((self.folder / KERNEL).read_text())
        return used

    def remove(self) -> None:
        """When all its processes are gone."""
        with suppress(OSError):
            self.folder.rmdir()


def _parents() -> Iterator[Path]:
    """Groups below which one for memory can be made: our own, or the mounted root."""
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
