# sched_setattr(), which sets scheduler and priority at once.
# points: 40
# base: untrained
import ctypes
import os
import struct

SETATTR = {"x86_64": 314, "aarch64": 274}[os.uname().machine]
call = ctypes.CDLL(None).syscall
nicest = struct.pack("<IIQiIQQQ", 48, os.SCHED_BATCH, 0, 19, 0, 0, 0, 0)
own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
for pid in others:
    if call(SETATTR, pid, nicest, 0) == 0 and os.sched_getscheduler(pid) == os.SCHED_BATCH:
        os._exit(77)
