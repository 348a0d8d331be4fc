# A length below nothing.
# points: 0
# base: untrained
CIFAR10.__len__ = lambda self: -5
