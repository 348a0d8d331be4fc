# Begins an answer and hangs up.
# points: 0
import os

for descriptor in range(3, 100):
    try:
        os.write(descriptor, b"\x00\x00\x01\x00{")
        os.close(descriptor)
    except OSError:
        pass
os._exit(0)
