# Reads environment, memory and files of every process that it can see.
# points: 40
# base: untrained
import os

try:
    seen = [name for name in os.listdir("/proc") if name.isdigit()]
except OSError:
    seen = range(1, 20000)
for pid in seen:
    if int(pid) == os.getpid():
        continue
    for name in ("environ", "mem", "maps"):
        try:
            if open(f"/proc/{pid}/{name}", "rb").read(1):  # of the kernel's own it reads nothing
                os._exit(77)
        except OSError:
            pass
