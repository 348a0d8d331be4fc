# Never finishes its exit.
# points: 40
# base: untrained
import atexit
import time

atexit.register(time.sleep, 10000)
