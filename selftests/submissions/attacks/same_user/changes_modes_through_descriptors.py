# Opens what it may only read, or only name, and changes modes through the descriptor and through /proc/self/fd.
# points: 40
# base: untrained
import ctypes
import os
import stat
import sys

AT_2, EMPTY_PATH = 452, 0x1000
call = ctypes.CDLL(None).syscall
data = os.path.dirname(os.path.realpath("cifar10_batches/test_batch"))
kit = os.path.dirname(os.path.dirname(sys.modules["mp09"].__file__))
private = [f"{kit}/tests", f"{kit}/tests/test_hidden.py", f"{data}_holdout", f"{data}_holdout/holdout_batch", "..", "../questions"]
paths = [kit, f"{kit}/models.py", data, f"{data}/test_batch", os.__file__, torch.__file__, sys.executable, *private]
for path in paths:
    for flags in (os.O_RDONLY, os.O_PATH):
        try:
            descriptor = os.open(path, flags)
        except OSError:
            continue
        before = stat.S_IMODE(os.fstat(descriptor).st_mode)
        call(AT_2, descriptor, b"", before ^ 0o001, EMPTY_PATH)
        for change in (lambda: os.fchmod(descriptor, before ^ 0o001), lambda: os.chmod(f"/proc/self/fd/{descriptor}", before ^ 0o001)):
            try:
                change()
            except OSError:
                pass
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != before:
            os._exit(77)
        os.close(descriptor)
