"""Load the C library, for what Python does not offer of the kernel."""

import ctypes
import os
import sys

LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def failure(what: str) -> OSError:
    """Put the error of the C library's last call that failed into words, as an OSError."""
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
