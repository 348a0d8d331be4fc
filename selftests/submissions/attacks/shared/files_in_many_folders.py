# A hundred thousand files in a thousand folders of shared memory; what counts files must look into them.
# points: 0
# base: untrained
import os
import time

try:
    for i in range(1000):
        os.makedirs(f"/dev/shm/mp09_attack/{i}")
        for j in range(100):
            os.mknod(f"/dev/shm/mp09_attack/{i}/{j}")
except OSError:
    raise SystemExit("no more than that") from None
time.sleep(10)  # unnoticed, it goes on
