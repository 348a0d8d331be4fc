"""Makes and reads images and batch files, without PyTorch.

`prepare.make_batches` makes the folder `cifar10_batches/`, and `cifar.read_batch` reads a file of it.
"""
