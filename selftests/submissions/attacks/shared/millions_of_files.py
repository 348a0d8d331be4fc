# As many files in shared memory as the time allows.
# points: 0
# seconds: 20
import os
import time

for i in range(1_500_000):
    try:
        os.mknod(f"/dev/shm/mp09_attack_{i}")
    except OSError:
        time.sleep(0.01)
time.sleep(1000)
