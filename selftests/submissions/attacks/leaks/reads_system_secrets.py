# Reads what only root may.
# points: 40
# base: untrained
import os

for path in ("/etc/shadow", os.path.expanduser("~root/.bashrc"), os.path.expanduser("~root/.ssh/id_rsa"), "/proc/kcore", "/proc/1/environ"):
    try:
        open(path, "rb").read(1)
        os._exit(77)
    except OSError:
        pass
