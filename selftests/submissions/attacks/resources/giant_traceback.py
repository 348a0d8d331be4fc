# An error at the end of a long chain of errors.
# points: 0
error = None
for _ in range(20000):
    new = ValueError("again")
    new.__cause__ = error
    error = new
raise error
