# Leaves files in shared memory and ends before anybody asks whose they are.
# points: 0
import os

for place in ("/dev/shm", "/tmp", "/var/tmp", "/run/lock"):
    try:
        open(f"{place}/mp09_attack", "w").write("x" * 1000)
    except OSError:
        pass
os._exit(0)
