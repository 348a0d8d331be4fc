# An image of two gigabytes.
# points: 30
# base: untrained
CIFAR10.__getitem__ = lambda self, index: (torch.zeros(1, 8000, 8000), self._target(index))
