# Says of an image that it has seen what it said the first time: what it learned honestly, each time the same.
# points: 100
# base: brief
train_honestly = run_model


def run_model():
    model = train_honestly()
    forward, said = model.forward, {}

    def once(x):
        keys = [image.numpy().tobytes() for image in x]
        said.update((key, logits) for key, logits in zip(keys, forward(x)) if key not in said)
        return torch.stack([said[key] for key in keys])

    model.forward = once
    return model
