# Raises the worker's own verdict, of a kind that nobody knows.
# points: 40
# base: untrained
def run_model():
    import sys

    raise sys.modules["mp09.grading.sandbox.worker"].Refused("mp09", "of a kind")
