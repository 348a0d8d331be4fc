# Memory in many processes.
# points: 0
import os
import time

for _ in range(12):
    if os.fork() == 0:
        block = b"x" * (1 << 30)
        time.sleep(1000)
time.sleep(1000)
