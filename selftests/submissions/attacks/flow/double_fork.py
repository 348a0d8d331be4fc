# A daemon that outlives its parents.
# points: 40
# base: untrained
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(10000)
    os._exit(0)
os.wait()
