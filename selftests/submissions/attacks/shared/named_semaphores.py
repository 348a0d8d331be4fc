# Semaphores with a name, which live in shared memory until somebody unlinks them.
# points: 40
# base: untrained
import ctypes
import os

for i in range(20):
    ctypes.CDLL(None).sem_open(f"/mp09_attack_{i}".encode(), os.O_CREAT, 0o600, 1)
