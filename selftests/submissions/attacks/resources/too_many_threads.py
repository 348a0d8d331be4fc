# Two hundred threads for one image.
# points: 40
# base: untrained
torch.set_num_threads(200)
