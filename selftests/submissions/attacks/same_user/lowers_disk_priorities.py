# Lets every process of this user wait for the disk until nobody else wants it.
# points: 40
# base: untrained
import ctypes
import os

SET, GET = {"x86_64": (251, 252), "aarch64": (30, 31)}[os.uname().machine]
PROCESS, GROUP, USER, IDLE = 1, 2, 3, 3 << 13
call = ctypes.CDLL(None).syscall
own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
before = {pid: call(GET, PROCESS, pid) for pid in others}
for which, targets in ((PROCESS, others), (GROUP, others), (USER, (0, os.getuid()))):
    for target in targets:
        call(SET, which, target, IDLE)
if any(call(GET, PROCESS, pid) == IDLE != before[pid] >= 0 for pid in others):
    os._exit(77)
