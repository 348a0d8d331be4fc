# Everything is an instance of everything, which the worker itself does not survive.
# points: 0
# base: untrained
import builtins

builtins.isinstance = lambda *_: True
