# Marks files that it may only read: not to be dumped, no access times. ioctl() needs no right to write.
# points: 40
# base: untrained
import array
import fcntl
import os
import sys

GET, SET, NO_DUMP = 0x80086601, 0x40086602, 0x40
data = os.path.dirname(os.path.realpath("cifar10_batches/test_batch"))
kit = os.path.dirname(os.path.dirname(sys.modules["mp09"].__file__))
private = [f"{kit}/tests", f"{kit}/tests/test_hidden.py", f"{data}_holdout", f"{data}_holdout/holdout_batch", "..", "../questions"]
paths = [kit, f"{kit}/models.py", data, f"{data}/test_batch", os.__file__, torch.__file__, sys.executable, *private]
for path in paths:
    try:
        descriptor = os.open(path, os.O_RDONLY)
        flags = array.array("l", [0])
        fcntl.ioctl(descriptor, GET, flags)
        before = flags[0]
        fcntl.ioctl(descriptor, SET, array.array("l", [before ^ NO_DUMP]))
        fcntl.ioctl(descriptor, GET, flags)
    except OSError:
        continue
    if flags[0] != before:
        fcntl.ioctl(descriptor, SET, array.array("l", [before]))
        os._exit(77)
