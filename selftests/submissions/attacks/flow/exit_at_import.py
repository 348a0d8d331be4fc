# Ends Python politely while it is imported.
# points: 0
import sys

sys.exit(0)
