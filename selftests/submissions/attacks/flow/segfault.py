# Crashes in compiled code.
# points: 0
import ctypes

ctypes.string_at(0)
