# 3.5 GiB of shared memory in folders, where only the files at the top are looked at.
# points: 0
# base: untrained
import os
import time

try:
    for i in range(7):
        folder = "/dev/shm/mp09_attack" + "/inner" * i
        os.makedirs(folder, exist_ok=True)
        with open(f"{folder}/file", "wb") as file:
            file.write(bytes(512 << 20))
except OSError:
    raise SystemExit("no more than that") from None
time.sleep(15)  # unnoticed, it goes on
