# Fifty daemons, each in a session of its own.
# points: 40
# base: untrained
import os
import time

for _ in range(50):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(10000)
        os._exit(0)
