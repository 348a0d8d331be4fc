# Stops its own process, which then neither works nor ends.
# points: 0
# seconds: 8
import os
import signal

os.kill(os.getpid(), signal.SIGSTOP)
