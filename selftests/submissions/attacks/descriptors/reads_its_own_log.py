# Reads away what it prints before the grader does.
# points: 40
# base: untrained
import os
import threading


def steal():
    try:
        log = os.open("/proc/self/fd/2", os.O_RDONLY)
        while os.read(log, 1 << 16):
            pass
    except OSError:
        pass


threading.Thread(target=steal, daemon=True).start()
print("mp09_attack" * 1000, flush=True)
