# Files that come and go in shared memory, while others are cleaned up after.
# points: 40
# base: untrained
import os
import time

for parent in range(3):
    if os.fork() == 0:
        try:
            ends = time.monotonic() + 20
            while time.monotonic() < ends:
                for i in range(50):
                    open(f"/dev/shm/mp09_attack_{parent}_{i}", "w").close()
                for i in range(50):
                    os.unlink(f"/dev/shm/mp09_attack_{parent}_{i}")
        finally:
            os._exit(0)
time.sleep(5)
