# An error whose text, representation and arguments raise errors.
# points: 0


class Unspeakable(Exception):
    def __str__(self):
        raise Unspeakable

    __repr__ = __str__
    args = property(__str__)


raise Unspeakable
