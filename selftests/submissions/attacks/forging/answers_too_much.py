# Announces an answer of four gigabytes.
# points: 0
import os

for descriptor in range(3, 100):
    try:
        os.write(descriptor, b"\xff\xff\xff\xff" + b"x" * 100000)
    except OSError:
        pass
