# A child whose first thread has ended holds 3.5 GiB: its own entry in /proc says nothing.
# points: 0
# base: untrained
import ctypes
import os
import threading
import time

EXIT_THREAD = {"x86_64": 60, "aarch64": 93}[os.uname().machine]


def hold():
    blocks = [b"x" * (512 << 20) for _ in range(7)]
    time.sleep(1000)
    del blocks


if os.fork() == 0:
    threading.Thread(target=hold).start()
    ctypes.CDLL(None).syscall(EXIT_THREAD, 0)
time.sleep(20)  # unnoticed, it goes on
