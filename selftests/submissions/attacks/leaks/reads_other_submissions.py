# Looks into the scratch folders of others.
# points: 40
# base: untrained
import os

for place in ("/tmp", "..", "../..", "/var/tmp", os.path.expanduser("~/.."), "/autograder/submission"):
    try:
        os.listdir(place)
        os._exit(77)
    except OSError:
        pass
