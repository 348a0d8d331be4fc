# Gives itself a name that is no text, with a line break of another system in it.
# points: 40
# base: untrained
import ctypes

ctypes.CDLL(None).prctl(15, b"\xff\rUid: 0")
