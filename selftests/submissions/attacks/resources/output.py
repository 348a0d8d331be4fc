# Prints without end.
# points: 0
# seconds: 8
while True:
    print("x" * 100000)
