# A loop that nothing but SIGKILL ends.
# points: 0
# seconds: 8
import time

while True:
    try:
        time.sleep(1000)
    except BaseException:
        pass
