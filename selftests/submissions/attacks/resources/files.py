# A hundred thousand files.
# points: 0
# seconds: 30
import time

for i in range(100000):
    open(f"mp09_attack_{i}", "w").close()
time.sleep(1000)
