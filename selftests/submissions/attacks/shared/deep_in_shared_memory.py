# Three thousand folders in each other in /dev/shm.
# points: 40
# base: untrained
import os

here = os.getcwd()
try:
    os.chdir("/dev/shm")
    for _ in range(3000):
        os.mkdir("mp09_attack")
        os.chdir("mp09_attack")
except OSError:
    pass
os.chdir(here)
