# Puts files, folders and links beside what it can't write.
# points: 40
# base: untrained
import os
import sys

data = os.path.dirname(os.path.realpath("cifar10_batches/test_batch"))
kit = os.path.dirname(os.path.dirname(sys.modules["mp09"].__file__))
private = [f"{kit}/tests", f"{kit}/tests/test_hidden.py", f"{data}_holdout", f"{data}_holdout/holdout_batch", "..", "../questions"]
paths = [kit, f"{kit}/models.py", data, f"{data}/test_batch", os.__file__, torch.__file__, sys.executable, *private]
open("mp09_attack", "w").close()
for folder in filter(os.path.isdir, paths):
    for put in (
        lambda: os.rename("mp09_attack", f"{folder}/mp09_attack"),
        lambda: os.link("mp09_attack", f"{folder}/mp09_attack"),
        lambda: os.symlink("mp09_attack", f"{folder}/mp09_attack"),
        lambda: os.mkdir(f"{folder}/mp09_attack"),
        lambda: os.mkfifo(f"{folder}/mp09_attack"),
    ):
        try:
            put()
            os._exit(77)
        except OSError:
            pass
