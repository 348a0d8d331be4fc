# An object whose end never ends.
# points: 40
# base: untrained
import time


class Sticky:
    def __del__(self):
        while True:
            time.sleep(1)


build_model.sticky = Sticky()
