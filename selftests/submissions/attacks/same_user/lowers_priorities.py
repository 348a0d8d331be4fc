# Lowers the priority of every process, group of processes, and of all that this user has.
# points: 40
# base: untrained
import os


def priorities():
    found = {}
    for pid in others:
        try:
            found[pid] = os.getpriority(os.PRIO_PROCESS, pid)
        except OSError:
            pass
    return found


own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
before = priorities()
for which, targets in ((os.PRIO_PROCESS, others), (os.PRIO_PGRP, others), (os.PRIO_USER, (0, os.getuid()))):
    for target in targets:
        try:
            os.setpriority(which, target, 17)
        except OSError:
            pass
if any(now == 17 != before.get(pid, 17) for pid, now in priorities().items()):
    os._exit(77)
