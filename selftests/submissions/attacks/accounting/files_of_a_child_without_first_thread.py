# A child whose first thread has ended holds files without a name, of 2.5 GiB.
# points: 0
# base: untrained
import ctypes
import os
import threading
import time

EXIT_THREAD = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
if os.fork() == 0:
    threading.Thread(target=time.sleep, args=(1000,)).start()
    for i in range(5):
        descriptor = os.open(f"mp09_attack_{i}", os.O_CREAT | os.O_RDWR)
        os.posix_fallocate(descriptor, 0, 512 << 20)
        os.unlink(f"mp09_attack_{i}")
    ctypes.CDLL(None).syscall(EXIT_THREAD, 0)
time.sleep(15)  # unnoticed, it goes on
