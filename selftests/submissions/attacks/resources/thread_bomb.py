# Threads without end.
# points: 0
# seconds: 12
import threading
import time

while True:
    try:
        threading.Thread(target=time.sleep, args=(10000,)).start()
    except RuntimeError:
        time.sleep(0.1)
