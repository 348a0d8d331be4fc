# A child keeps the channels open when the worker has ended, so that no end of the stream is seen.
# points: 0
import os
import time

if os.fork() == 0:
    os.setsid()
    time.sleep(1000)
os._exit(0)
