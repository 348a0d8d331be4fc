# Attaches to the process above.
# points: 40
# base: untrained
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, os.getppid(), 0, 0) == 0:
    os._exit(77)
