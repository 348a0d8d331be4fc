# 2.5 GiB of the disk in files that have neither a name nor a descriptor: only a mapping holds them.
# points: 0
# base: untrained
# alone: disk
import ctypes
import os
import time

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
READ, SHARED = 1, 1
for _ in range(5):
    descriptor = os.open("mp09_attack", os.O_CREAT | os.O_RDWR)
    os.unlink("mp09_attack")
    os.posix_fallocate(descriptor, 0, 512 << 20)
    libc.mmap(None, ctypes.c_size_t(512 << 20), READ, SHARED, descriptor, ctypes.c_long(0))
    os.close(descriptor)
time.sleep(15)  # unnoticed, it goes on
