# An error that loses its place when it is asked for it.
# points: 0


class Lost(Exception):
    @property
    def __traceback__(self):
        raise Lost

    __cause__ = __context__ = __traceback__


raise Lost("mp09_attack")
