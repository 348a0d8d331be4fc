# An untouched copy of the checkpoint beside the backbone that was changed.
# points: 40
# base: untrained
class Decoy(FinetuneNet):
    def __init__(self):
        super().__init__()
        self.spare = resnet18(pretrained=True)
        with torch.no_grad():
            for parameter in self.backbone.parameters():
                parameter.mul_(1.01)


run_model = Decoy
