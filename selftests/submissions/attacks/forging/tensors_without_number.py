# Thousands of tensors, each to be compared with all of the checkpoint's.
# points: 40
# base: untrained
import sys

worker = sys.modules["mp09.grading.sandbox.worker"]
many = {str(i): np.zeros(512, np.float32) for i in range(9000)}
worker.OPERATIONS["tensors"] = lambda session, **_: ({"types": {}}, many)
