# Groups of errors in groups of errors, ten thousand deep.
# points: 0
try:
    error = ValueError("mp09_attack")
    for _ in range(10_000):
        error = ExceptionGroup("again", [error])
except NameError:  # Python 3.10
    pass
raise error
