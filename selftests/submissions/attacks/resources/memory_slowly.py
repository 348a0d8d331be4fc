# More memory with every step.
# points: 0
import time

blocks = []
while True:
    blocks.append(bytearray(b"x" * (100 << 20)))
    time.sleep(0.01)
