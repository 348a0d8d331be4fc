# Looks for what other students submitted, where gradings work and where Gradescope puts it.
# points: 40
# base: untrained
import glob
import os

for place in ("/tmp", "/var/tmp", "../..", os.path.expanduser("~/.."), "/autograder"):
    for path in (*glob.glob(f"{place}/*/submitted.py"), *glob.glob(f"{place}/*/*/submitted.py")):
        if os.path.realpath(path).startswith(os.path.dirname(os.getcwd())):  # the own copies
            continue
        try:
            open(path, "rb").read(1)
            os._exit(77)
        except OSError:
            pass
