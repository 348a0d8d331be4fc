# Reads what others have left in shared memory.
# points: 40
# base: untrained
import os

for name in os.listdir("/dev/shm"):
    try:
        open("/dev/shm/" + name, "rb").read(1)
        os._exit(77) if os.stat("/dev/shm/" + name).st_uid != os.getuid() else None
    except OSError:
        pass
