"""Load the C library, for what Python does not offer of the kernel."""

import ctypes
import errno
import os
import sys
from functools import cache


@cache
def libc() -> ctypes.CDLL:
    """Return the C library.

    Raises:
        OSError: This is not Linux.
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, f"the kernel is asked for isolation on Linux only; this is {sys.platform}")
    return ctypes.CDLL(None, use_errno=True)


def failure(what: str) -> OSError:
    """Put the error of the C library's last call that failed into words, as an OSError."""
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
