# Limits, pins, slows and signals itself, as well-behaved programs do.
# base: brief
import os
import resource
import signal
import threading

os.sched_setaffinity(0, os.sched_getaffinity(0))
os.sched_setaffinity(os.getpid(), os.sched_getaffinity(os.getpid()))
os.nice(1)
os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0))
os.setpriority(os.PRIO_PROCESS, os.getpid(), os.getpriority(os.PRIO_PROCESS, 0))
for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_STACK):
    resource.setrlimit(limit, resource.getrlimit(limit))
    resource.prlimit(0, limit)
    resource.prlimit(os.getpid(), limit, resource.getrlimit(limit))
os.sched_setscheduler(0, os.sched_getscheduler(0), os.sched_param(0))
seen = []
before = signal.signal(signal.SIGUSR1, lambda *_: seen.append(1))
os.kill(os.getpid(), signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR1)
signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
signal.signal(signal.SIGUSR1, before)
assert len(seen) == 3
if (child := os.fork()) == 0:
    signal.pause()
os.kill(child, 0)
os.kill(child, signal.SIGTERM)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
