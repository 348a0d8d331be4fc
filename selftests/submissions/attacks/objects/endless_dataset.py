# A length of 2 to the 62nd.
# points: 10
# base: untrained
CIFAR10.__len__ = lambda self: 2**62
