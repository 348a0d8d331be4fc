# Every process of this user runs only when nobody else wants to.
# points: 40
# base: untrained
import os

own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
for pid in others:
    try:
        before = os.sched_getscheduler(pid)
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        continue
    if os.sched_getscheduler(pid) != before:
        os._exit(77)
