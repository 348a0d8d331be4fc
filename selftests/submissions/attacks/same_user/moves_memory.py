# Moves, frees and pages out other processes' memory, and reads where they keep their locks.
# points: 40
# base: untrained
import ctypes
import os

MIGRATE, MOVE, LOCKS = {"x86_64": (256, 279, 274), "aarch64": (238, 239, 100)}[os.uname().machine]
PIDFD_OPEN, ADVISE, RELEASE = 434, 440, 448
PAGE_OUT = 21
call = ctypes.CDLL(None).syscall
nodes, head, size = ctypes.c_ulong(1), ctypes.c_void_p(), ctypes.c_size_t()
own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
for pid in others:
    done = [call(MIGRATE, pid, 64, ctypes.byref(nodes), ctypes.byref(nodes)), call(MOVE, pid, 0, None, None, None, 0)]
    done.append(call(LOCKS, pid, ctypes.byref(head), ctypes.byref(size)))
    if (descriptor := call(PIDFD_OPEN, pid, 0)) >= 0:
        done += [call(ADVISE, descriptor, None, 0, PAGE_OUT, 0), call(RELEASE, descriptor, 0)]
        os.close(descriptor)
    if max(done) >= 0:
        os._exit(77)
