# A thread that is no daemon keeps the process alive.
# points: 40
# base: untrained
import threading
import time

threading.Thread(target=lambda: [time.sleep(1) for _ in iter(int, 1)]).start()
