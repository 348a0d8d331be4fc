# Closes every descriptor that it has, the grader's channels among them.
# points: 0
import os

os.closerange(0, 4096)
