# Signals every process id that there is.
# points: 40
# base: untrained
import os
import signal

for pid in range(1, 40000):
    if pid != os.getpid():
        try:
            os.kill(pid, signal.SIGUSR1)
        except OSError:
            pass
