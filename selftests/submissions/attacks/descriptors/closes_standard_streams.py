# Closes standard input, output and error.
# points: 40
# base: untrained
import os

for descriptor in (0, 1, 2):
    os.close(descriptor)
