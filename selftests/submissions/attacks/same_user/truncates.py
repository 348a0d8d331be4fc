# Cuts files that it can't write to the length that they have: nothing happens but a time stamp.
# points: 40
# base: untrained
import os
import sys

data = os.path.dirname(os.path.realpath("cifar10_batches/test_batch"))
kit = os.path.dirname(os.path.dirname(sys.modules["mp09"].__file__))
private = [f"{kit}/tests", f"{kit}/tests/test_hidden.py", f"{data}_holdout", f"{data}_holdout/holdout_batch", "..", "../questions"]
paths = [kit, f"{kit}/models.py", data, f"{data}/test_batch", os.__file__, torch.__file__, sys.executable, *private]
for path in paths:
    if os.path.isfile(path):
        before = os.stat(path)
        try:
            os.truncate(path, before.st_size)
        except OSError:
            continue
        if os.stat(path).st_ctime_ns != before.st_ctime_ns:
            os._exit(77)
