# Raises what `except Exception` does not catch.
# points: 0
class Out(BaseException):
    pass


raise Out("not caught?")
