# A process that lives on leaves files in shared memory when the worker has long ended.
# points: 0
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            open(f"/dev/shm/mp09_attack_{time.monotonic_ns()}", "w").close()
            time.sleep(0.001)
    os._exit(0)
time.sleep(0.1)
os._exit(0)
