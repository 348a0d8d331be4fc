# Writes what /proc takes about other processes: who ends first when memory runs out, names, timers, groups.
# points: 40
# base: untrained
import os

own = {int(thread) for thread in os.listdir("/proc/self/task")}
others = [pid for pid in range(1, os.getpid() + 1000) if pid not in own]
for pid in filter(lambda pid: os.path.exists(f"/proc/{pid}"), others):
    for name, text in (("oom_score_adj", "1000"), ("timerslack_ns", "1000000"), ("autogroup", "19"), ("comm", "x"), ("clear_refs", "1")):
        try:
            with open(f"/proc/{pid}/{name}", "w") as file:
                file.write(text)
            os._exit(77)
        except OSError:
            pass
