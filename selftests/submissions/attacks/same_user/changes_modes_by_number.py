# chmod(), fchmodat() and fchmodat2() past Python and libc.
# points: 40
# base: untrained
import ctypes
import os
import stat
import sys

CHMOD, AT, AT_2 = {"x86_64": (90, 268, 452), "aarch64": (None, 53, 452)}[os.uname().machine]
HERE = -100
call = ctypes.CDLL(None).syscall
data = os.path.dirname(os.path.realpath("cifar10_batches/test_batch"))
kit = os.path.dirname(os.path.dirname(sys.modules["mp09"].__file__))
private = [f"{kit}/tests", f"{kit}/tests/test_hidden.py", f"{data}_holdout", f"{data}_holdout/holdout_batch", "..", "../questions"]
paths = [kit, f"{kit}/models.py", data, f"{data}/test_batch", os.__file__, torch.__file__, sys.executable, *private]
for path in paths:
    try:
        before = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        continue
    name, mode = os.fsencode(os.path.abspath(path)), before ^ 0o001
    if CHMOD:
        call(CHMOD, name, mode)
    call(AT, HERE, name, mode)
    call(AT_2, HERE, name, mode, 0)
    if stat.S_IMODE(os.stat(path).st_mode) != before:
        os._exit(77)
