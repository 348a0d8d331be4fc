# Reads, maps and removes what others keep in shared memory, by listing it and by names that are usual.
# points: 40
# base: untrained
import os

try:
    names = os.listdir("/dev/shm")
except OSError:
    names = []
for name in (*names, "psm_", "torch_", "sem.mp-", "pymp-"):
    path = f"/dev/shm/{name}"
    try:
        if os.getuid() and os.stat(path).st_uid != os.getuid():
            open(path, "rb").read(1) if os.path.isfile(path) else os.listdir(path)
            os._exit(77)
    except OSError:
        pass
