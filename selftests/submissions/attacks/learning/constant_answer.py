# Says "airplane" to everything.
# points: 40
# base: untrained
FinetuneNet.forward = lambda self, x: torch.eye(8)[torch.zeros(len(x), dtype=torch.long)]
