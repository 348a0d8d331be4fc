# 3.5 GiB of shared memory in files that have neither a name nor a descriptor: only a mapping holds them.
# points: 0
# base: untrained
import ctypes
import os
import time

libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
READ, SHARED = 1, 1
for _ in range(7):
    descriptor = os.open("/dev/shm/mp09_attack", os.O_CREAT | os.O_RDWR)
    os.unlink("/dev/shm/mp09_attack")
    os.write(descriptor, bytes(512 << 20))
    libc.mmap(None, ctypes.c_size_t(512 << 20), READ, SHARED, descriptor, ctypes.c_long(0))
    os.close(descriptor)
time.sleep(15)  # unnoticed, it goes on
