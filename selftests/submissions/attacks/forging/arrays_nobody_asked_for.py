# Every answer carries 200 megabytes.
# points: 0
import sys

worker = sys.modules["mp09.grading.sandbox.worker"]
for name in ("load", "length", "batches", "first_batch", "train", "tensors", "predict"):
    worker.OPERATIONS[name] = lambda session, **_: ({"length": 400}, {"ballast": worker.np.zeros(200 << 20, "uint8")})
