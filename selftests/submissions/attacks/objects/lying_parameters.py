# A fine-tuned backbone behind methods that show the checkpoint.
# points: 40
# base: untrained
TRUE = build_model()


class Liar(FinetuneNet):
    def __init__(self):
        super().__init__()
        with torch.no_grad():
            for parameter in super().parameters():
                parameter.add_(1e-3)

    def parameters(self, recurse=True):
        return TRUE.parameters()

    def named_parameters(self, *args, **kwargs):
        return TRUE.named_parameters()

    def state_dict(self, *args, **kwargs):
        return TRUE.state_dict()


run_model = Liar
