# Puts every process of this user onto one core.
# points: 40
# base: untrained
import os

core = {min(os.sched_getaffinity(0))}
own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
for pid in others:
    try:
        before = os.sched_getaffinity(pid)
        os.sched_setaffinity(pid, core)
    except OSError:
        continue
    if os.sched_getaffinity(pid) != before:
        os._exit(77)
