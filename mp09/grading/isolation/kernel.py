"""The C library, for what Python does not offer of the kernel."""

import ctypes
import os
import sys

LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def failure(what: str) -> OSError:
    """The error of the last call that returned less than zero, in words."""
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
