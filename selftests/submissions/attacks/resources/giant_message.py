# An error message of a gigabyte.
# points: 0
raise ValueError("x" * 10**9)
