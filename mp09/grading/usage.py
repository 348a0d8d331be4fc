"""What a worker uses: processes, memory, disk. Measured from outside; what is gone meanwhile counts as nothing."""

import glob
import os
import stat
import sys
import time
from pathlib import Path

import psutil

from mp09.grading import rubric

SHARE_LIMIT_S = 1.0
SHARED_MEMORY = "/dev/shm"  # DataLoader workers pass their batches through it


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants; none when it is gone."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def memory_bytes(processes: list[psutil.Process], limit: int) -> int:
    """Memory of processes: resident, and where that is too much, their fair share of it.

    The share is slow to read where many compete for the processor: what was not read in time counts in proportion.
    """
    resident = {process: _bytes_of(process, "memory_info", "rss", 0) for process in processes}
    if (total := sum(resident.values())) <= limit:
        return total
    asked, share, started = 0, 0, time.monotonic()
    for process in sorted(processes, key=resident.get, reverse=True):
        asked += resident[process]
        share += _bytes_of(process, "memory_full_info", "pss", resident[process])
        if time.monotonic() - started > SHARE_LIMIT_S:
            break
    return total * share // asked


def _bytes_of(process: psutil.Process, info: str, kind: str, unknown: int) -> int:
    """0 for a process that is gone; `unknown` where the system does not tell."""
    try:
        return getattr(getattr(process, info)(), kind, unknown)
    except psutil.NoSuchProcess:
        return 0
    except psutil.Error:
        return unknown


def shared_bytes(user: int | None) -> int:
    """What a worker's own user keeps in /dev/shm."""
    return 0 if user is None else sum(_blocks(e.path) for e in os.scandir(SHARED_MEMORY) if _owner(e) == user)


def _owner(entry: os.DirEntry) -> int | None:
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except OSError:  # gone meanwhile
        return None


def unlinked_bytes(processes: list[psutil.Process]) -> int:
    """Files without a name that processes keep open."""
    total = 0
    for process in processes:
        for link in glob.glob(f"/proc/{process.pid}/fd/*"):
            try:
                status = os.stat(link)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                total += status.st_blocks * 512
    return total


def disk_bytes(folder: Path) -> int:
    """Size of what lies in a folder; more than any limit when there are too many files to count."""
    total = count = 0
    for path, folders, files in os.walk(folder):
        count += len(folders) + len(files)
        if count > rubric.FILE_COUNT_LIMIT:
            return sys.maxsize
        total += sum(_blocks(os.path.join(path, name)) for name in files)
    return total


def _blocks(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * 512
    except (OSError, AttributeError):  # gone meanwhile; no st_blocks on Windows
        return 0
