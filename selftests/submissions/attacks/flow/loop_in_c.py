# Computes inside C, with the interpreter's lock held.
# points: 0
# seconds: 8
9**9**9
