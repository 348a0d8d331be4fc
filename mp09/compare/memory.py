"""Measures the peak memory of a process that runs one model and has run nothing before.

On a processor this is the memory of the process: its largest resident size so far, or since `PeakMemory.restart` where
the system can begin anew, less the size it had when `PeakMemory` was made. On a GPU it is the same for what PyTorch
allocated there.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # tells Linux to begin the largest resident size anew
LOADING = ", or while it was loaded"
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers of two settings in glibc's mallopt
SMALL, USUAL = 64 << 10, 32 << 20  # bytes; glibc raises its own threshold up to USUAL


@contextmanager
def freed_at_once() -> Iterator[None]:
    """Within the `with` block, have freed memory leave the process at once, where its C library is glibc.

    Otherwise a peak depends on what the heap went through: for the same model it was once 490 MiB and once 1320 MiB.
    Time nothing within the block, as large allocations are slow there.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(MMAP_THRESHOLD, SMALL)
    try:
        yield
    finally:
        libc.mallopt(MMAP_THRESHOLD, USUAL)
        libc.mallopt(TRIM_THRESHOLD, 2 * USUAL)


class PeakMemory:
    """Measures the peak of one model.

    Make it when the libraries have been used and the model is not there yet; call `restart` when the model is loaded.
    """

    def __init__(self, device: torch.device):
        self._device = device
        self._base = _used_mib(device)
        self._restarted = True

    def restart(self) -> None:
        """Forget the peak of loading the model, where the system can do that."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return
        try:
            CLEAR.write_text(RESET_PEAK)
        except OSError:
            self._restarted = False

    def mib(self) -> float | None:
        """Return the peak until now in MiB; None on a device that does not tell."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / 2**20 - self._base
        if self._device.type != "cpu":
            return None
        return _peak_mib() - self._base

    @property
    def words(self) -> str:
        """A description of what was measured."""
        if self._device.type not in ("cpu", "cuda"):
            return f"not measured on {self._device.type}"
        what = "the process at its largest" if self._device.type == "cpu" else "the most that PyTorch allocated"
        then = "" if self._restarted else LOADING
        return f"{what} while the model ran{then}, above what it was before the model was loaded"


def _used_mib(device: torch.device) -> float:
    """Return the MiB that are used now; 0 on a device that does not tell."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 2**20
    return psutil.Process().memory_info().rss / 2**20 if device.type == "cpu" else 0.0


def _peak_mib() -> float:
    """Return the largest resident size of this process in MiB.

    On Linux it is VmHWM: getrusage's number outlives exec, so it may belong to the process that started this one.
    """
    if STATUS.exists():
        return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) / 1024
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
