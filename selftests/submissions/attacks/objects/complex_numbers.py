# Images of complex numbers.
# points: 34
# base: untrained
CIFAR10.__getitem__ = lambda self, index: (torch.zeros(3, 32, 32, dtype=torch.complex64), self._target(index))
