"""Pictures and batch files; no torch. `prepare.make_batches` makes `cifar10_batches/`, `cifar.read_batch` reads it."""
