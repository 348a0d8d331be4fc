# Recurses until the C stack is gone.
# points: 0
import sys

sys.setrecursionlimit(10**9)


def down(n):
    return down(n + 1) + down(n + 2)


down(0)
