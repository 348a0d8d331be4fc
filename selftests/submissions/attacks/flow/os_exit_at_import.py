# Ends the process at once, with a code that means success.
# points: 0
import os

os._exit(0)
