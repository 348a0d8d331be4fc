# Stops the clocks.
# points: 0
# seconds: 8
import time

time.time = time.monotonic = time.perf_counter = lambda: 0.0
while True:
    time.sleep(1)
