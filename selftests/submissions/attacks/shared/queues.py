# Queues, semaphores and memory of System V and POSIX, which outlive every process.
# points: 40
# base: untrained
import ctypes
import os

libc = ctypes.CDLL(None)
made = [libc.msgget(0x99, 0o1600), libc.semget(0x99, 1, 0o1600), libc.shmget(0x99, 4096, 0o1600)]
made.append(libc.mq_open(b"/mp09_attack", os.O_CREAT | os.O_RDWR, 0o600, None))
if max(made) >= 0:
    os._exit(77)
