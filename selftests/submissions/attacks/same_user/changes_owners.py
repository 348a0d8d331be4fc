# Gives files that it can't write to the owner that they have: nothing happens but a time stamp.
# points: 40
# base: untrained
import os
import sys

data = os.path.dirname(os.path.realpath("cifar10_batches/test_batch"))
kit = os.path.dirname(os.path.dirname(sys.modules["mp09"].__file__))
private = [f"{kit}/tests", f"{kit}/tests/test_hidden.py", f"{data}_holdout", f"{data}_holdout/holdout_batch", "..", "../questions"]
paths = [kit, f"{kit}/models.py", data, f"{data}/test_batch", os.__file__, torch.__file__, sys.executable, *private]
for path in paths:
    try:
        before = os.stat(path)
    except OSError:
        continue
    for change in (os.chown, os.lchown, lambda path, *owner: os.fchown(os.open(path, os.O_RDONLY), *owner)):
        try:
            change(path, before.st_uid, before.st_gid)
        except OSError:
            pass
    if os.stat(path).st_ctime_ns != before.st_ctime_ns and not os.path.samefile(path, ".."):
        os._exit(77)
