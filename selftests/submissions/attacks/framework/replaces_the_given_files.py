# Writes other models.py, resnet18.pt and batch files.
# points: 40
# base: untrained
import glob
import os

for path in ("models.py", "resnet18.pt", *glob.glob("cifar10_batches/*")):
    try:
        with open(path, "r+b") as file:
            file.write(b"mp09_attack")
        if "cifar10" in path:
            os._exit(77)
    except OSError:
        pass
