# Fills the disk with files that have no name.
# points: 0
# seconds: 40
import os
import time

kept = []
while True:
    file = open("mp09_attack", "wb+")
    os.remove("mp09_attack")
    for _ in range(5):
        file.write(b"x" * (100 << 20))
    kept.append(file)
    time.sleep(0.1)
