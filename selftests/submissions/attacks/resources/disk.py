# Fills the disk.
# points: 0
# seconds: 30
import time

for i in range(100):
    with open(f"mp09_attack_{i}", "wb") as file:
        for _ in range(10):
            file.write(b"x" * (100 << 20))
time.sleep(1000)
