# Raises GeneratorExit from a call.
# points: 40
# base: untrained
def run_model():
    raise GeneratorExit
