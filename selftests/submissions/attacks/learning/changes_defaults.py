# Leaves other default types, threads, seeds and gradient modes behind.
# points: 40
# base: untrained
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.manual_seed(1)
torch.use_deterministic_algorithms(True)
