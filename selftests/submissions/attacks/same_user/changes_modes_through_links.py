# Changes modes through symbolic links, and through hard links, of its own.
# points: 40
# base: untrained
import os
import stat
import sys

data = os.path.dirname(os.path.realpath("cifar10_batches/test_batch"))
kit = os.path.dirname(os.path.dirname(sys.modules["mp09"].__file__))
private = [f"{kit}/tests", f"{kit}/tests/test_hidden.py", f"{data}_holdout", f"{data}_holdout/holdout_batch", "..", "../questions"]
paths = [kit, f"{kit}/models.py", data, f"{data}/test_batch", os.__file__, torch.__file__, sys.executable, *private]
for number, path in enumerate(paths):
    try:
        before = stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        continue
    for make in (os.symlink, os.link):
        name = f"mp09_attack_{number}_{make.__name__}"
        try:
            make(os.path.abspath(path), name)
            os.chmod(name, before ^ 0o001)
        except OSError:
            continue
        if stat.S_IMODE(os.stat(path).st_mode) != before:
            os._exit(77)
