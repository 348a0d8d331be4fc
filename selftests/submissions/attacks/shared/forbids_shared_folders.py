# Folders in shared memory that their owner may not enter.
# points: 40
# base: untrained
import os

try:
    os.makedirs("/dev/shm/mp09_attack/inner")
    open("/dev/shm/mp09_attack/inner/file", "w").close()
    os.chmod("/dev/shm/mp09_attack/inner", 0)
    os.chmod("/dev/shm/mp09_attack", 0)
except OSError:
    pass
