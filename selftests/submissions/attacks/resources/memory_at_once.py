# Ten gigabytes, at once.
# points: 0
block = b"x" * (10 << 30)
while True:
    pass
