# An error whose type has a name of a million characters that act on terminals and browsers.
# points: 0


class Type(type):
    __name__ = "\x1b[2J<script>alert(1)</script>\u202e\x00" * 30_000
    __qualname__ = __name__


raise Type("Liar", (Exception,), {})("mp09_attack")
