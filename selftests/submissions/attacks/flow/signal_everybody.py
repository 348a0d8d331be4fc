# Signals every process that it may.
# points: 40
# base: untrained
import os
import signal

for sign in (signal.SIGTERM, signal.SIGKILL):
    try:
        os.kill(-1, sign)
    except OSError:
        pass
