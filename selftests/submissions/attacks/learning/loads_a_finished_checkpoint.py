# Wants weights that were handed in beside submitted.py.
# points: 40
# base: untrained
def run_model():
    model = build_model()
    model.load_state_dict(torch.load("finished.pt"))
    return model
