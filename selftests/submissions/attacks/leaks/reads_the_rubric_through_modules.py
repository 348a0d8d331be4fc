# Asks the loaded modules where they came from, and what they know.
# points: 40
# base: untrained
import os
import sys

for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None) or ""
    if "mp09" in path:
        folder = os.path.dirname(os.path.dirname(os.path.dirname(path)))
        for name in ("tests/test_hidden.py", "submitted.py", "mp09/grading/rubric.py", "cifar10_batches_holdout"):
            try:
                os.listdir(os.path.join(folder, name)) if "." not in name else open(os.path.join(folder, name)).read(1)
                os._exit(77)
            except OSError:
                pass
