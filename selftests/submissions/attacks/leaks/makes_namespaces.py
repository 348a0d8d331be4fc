# Makes itself root of a namespace of its own, and mounts.
# points: 40
# base: untrained
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) == 0 or libc.mount(b"none", b"/dev/shm", b"tmpfs", 0, None) == 0:
    os._exit(77)
