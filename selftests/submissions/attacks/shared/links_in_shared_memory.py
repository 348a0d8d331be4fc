# Links in shared memory to what must not be removed, read or counted.
# points: 40
# base: untrained
import os

for i, target in enumerate(("/", "/usr", "/dev/shm", "/dev/zero", "/proc/self", os.getcwd(), "mp09_attack_0")):
    try:
        os.symlink(target, f"/dev/shm/mp09_attack_{i}")
    except OSError:
        pass
try:
    os.mkfifo("/dev/shm/mp09_attack_fifo")
    os.mkdir("/dev/shm/mp09_attack_folder")
    os.symlink("/usr", "/dev/shm/mp09_attack_folder/usr")
except OSError:
    pass
