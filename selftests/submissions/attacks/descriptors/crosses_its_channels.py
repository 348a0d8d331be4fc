# Every descriptor becomes a copy of the one before it.
# points: 0
import os

for descriptor in range(40, 0, -1):
    try:
        os.dup2(descriptor - 1, descriptor)
    except OSError:
        pass
os._exit(0)
