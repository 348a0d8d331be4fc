# Leaves files and folders in shared memory.
# points: 40
# base: untrained
import os

os.makedirs("/dev/shm/mp09_attack_folder", exist_ok=True)
open("/dev/shm/mp09_attack", "w").write("x" * 1000)
