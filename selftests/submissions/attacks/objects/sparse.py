# Images as sparse tensors.
# points: 34
# base: untrained
CIFAR10.__getitem__ = lambda self, index: (torch.zeros(3, 32, 32).to_sparse(), self._target(index))
