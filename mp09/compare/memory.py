"""Peak memory of a process that runs one network and has run nothing before.

A processor's memory is the process's: the highest resident size since `PeakMemory` was made or `restart`ed, above what
it was when it was made. A GPU's is the same of what PyTorch has allocated there.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # Linux: the highest resident size begins anew
LOADING = ", or while it was loaded"
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # numbers of glibc's mallopt
SMALL, USUAL = 64 << 10, 32 << 20  # the second is what glibc's own threshold grows to


@contextmanager
def freed_at_once() -> Iterator[None]:
    """What is freed leaves the process meanwhile, where its C library is glibc.

    Else peaks depend on what the heap went through: the same network's was once 490 and once 1320 MiB. It makes large
    allocations slow, and nothing should be timed.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(MMAP_THRESHOLD, SMALL)
    try:
        yield
    finally:
        libc.mallopt(MMAP_THRESHOLD, USUAL)
        libc.mallopt(TRIM_THRESHOLD, 2 * USUAL)


class PeakMemory:
    """Make it when the libraries were used and the network is not there; `restart` when it is loaded."""

    def __init__(self, device: torch.device):
        self._device = device
        self._base = _used_mib(device)
        self._restarted = True

    def restart(self) -> None:
        """Forget the peak of loading, where the system can."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return
        try:
            CLEAR.write_text(RESET_PEAK)
        except OSError:
            self._restarted = False

    def mib(self) -> float | None:
        """The peak until now; None on a device that does not tell."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / 2**20 - self._base
        if self._device.type != "cpu":
            return None
        return _peak_mib() - self._base

    @property
    def words(self) -> str:
        """What was measured."""
        if self._device.type not in ("cpu", "cuda"):
            return f"not measured on {self._device.type}"
        what = "the process at its largest" if self._device.type == "cpu" else "the most that PyTorch allocated"
        then = "" if self._restarted else LOADING
        return f"{what} while the network ran{then}, above what it was before the network was loaded"


def _used_mib(device: torch.device) -> float:
    """Now; 0 on a device that does not tell."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 2**20
    return psutil.Process().memory_info().rss / 2**20 if device.type == "cpu" else 0.0


def _peak_mib() -> float:
    """VmHWM on Linux: what getrusage says outlives exec, and may be the calling process's."""
    if STATUS.exists():
        return int(STATUS.read_text().split("VmHWM:")[1].split()[0]) / 1024
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
