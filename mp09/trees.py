"""Walk, measure and remove folders that somebody else has filled.

They may be of any depth, hold any names, and change meanwhile.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
BY_DESCRIPTOR = {os.open, os.stat} <= os.supports_dir_fd  # true everywhere but on Windows
TreeEntry = tuple[int | None, str, os.stat_result]


def walk(folder: Path | str, *, unlock: bool = False) -> Iterator[TreeEntry]:
    """Yield everything below a folder; what is in a folder comes before the folder itself.

    The walk follows no links, has no limit on the length of a path, and holds one descriptor however deep it goes. What
    can't be read, or is gone meanwhile, is left out. When a folder is moved away while the walk is in it, the walk
    ends.

    Args:
        folder: where to start.
        unlock: give folders back the permissions that their owner needs to look into them.

    Yields:
        (descriptor of the folder that the entry lies in, its name there, its status, which for a link is the link's
        own); on Windows (None, its whole path, its status).
    """
    if not BY_DESCRIPTOR:
        yield from _walk_by_path(folder)
        return
    with suppress(OSError):
        here = _Here(folder)
        try:
            yield from _walk(here, unlock)
        finally:
            here.close()


def remove(folder: Path | str) -> None:
    """Remove a folder with all that is in it, as far as that is possible; this never raises OSError."""
    with suppress(OSError):
        os.chmod(folder, 0o700)
    for parent, name, status in walk(folder, unlock=True):
        with suppress(OSError):
            (os.rmdir if stat.S_ISDIR(status.st_mode) else os.unlink)(name, dir_fd=parent)
    with suppress(OSError):
        os.rmdir(folder)


def sizes(folder: Path | str) -> Iterator[int]:
    """Yield the bytes on disk of each file and folder below a folder, while it is walked."""
    return (getattr(status, "st_blocks", 0) * 512 for _, _, status in walk(folder))


class _Here:
    """Keeps track of the folder that a walk is in.

    Attributes:
        descriptor: the open folder.
        trail: for each folder down to this one: its inode, its name, and the names in it that are still to come.
    """

    def __init__(self, folder: Path | str):
        self.descriptor = os.open(folder, FOLDER)
        self.trail = [(os.stat(self.descriptor).st_ino, "", self._names())]

    def enter(self, name: str) -> None:
        self._move(name)
        self.trail.append((os.stat(self.descriptor).st_ino, name, self._names()))

    def leave(self) -> str:
        """Go back up, and return the name of the folder that was left; raise FileNotFoundError if it was moved away."""
        name = self.trail.pop()[1]
        self._move("..")
        if os.stat(self.descriptor).st_ino != self.trail[-1][0]:
            raise FileNotFoundError(f"{name} was moved away")
        return name

    def status(self, name: str) -> os.stat_result:
        return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)

    def close(self) -> None:
        os.close(self.descriptor)

    def _move(self, name: str) -> None:
        inner = os.open(name, FOLDER, dir_fd=self.descriptor)
        os.close(self.descriptor)
        self.descriptor = inner

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.descriptor)
        except OSError:
            return []


def _walk(here: _Here, unlock: bool) -> Iterator[TreeEntry]:
    while True:
        names = here.trail[-1][2]
        if names:
            name = names.pop()
            with suppress(OSError):
                status = here.status(name)
                if not stat.S_ISDIR(status.st_mode):
                    yield here.descriptor, name, status
                    continue
                if unlock:
                    with suppress(OSError):
                        os.chmod(name, 0o700, dir_fd=here.descriptor)
                here.enter(name)
        elif len(here.trail) > 1:
            name = here.leave()
            with suppress(OSError):
                yield here.descriptor, name, here.status(name)
        else:
            return


def _walk_by_path(folder: Path | str) -> Iterator[TreeEntry]:
    for parent, folders, files in os.walk(folder, topdown=False):
        for path in (os.path.join(parent, name) for name in (*files, *folders)):
            with suppress(OSError):
                yield None, path, os.lstat(path)
