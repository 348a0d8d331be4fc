# Handles every signal by ignoring it, and waits.
# points: 0
# seconds: 8
import signal
import time

for number in range(1, 65):
    try:
        signal.signal(number, lambda *_: None)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1)
