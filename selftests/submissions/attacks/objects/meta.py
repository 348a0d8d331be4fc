# Images on a device that holds no data.
# points: 34
# base: untrained
CIFAR10.__getitem__ = lambda self, index: (torch.zeros(3, 32, 32, device="meta"), self._target(index))
