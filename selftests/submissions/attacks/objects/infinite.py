# Images of infinity.
# points: 34
# base: untrained
CIFAR10.__getitem__ = lambda self, index: (torch.full((3, 32, 32), torch.inf), self._target(index))
