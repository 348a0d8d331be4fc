# The loader's own processes never start to work.
# points: 40
# base: untrained
# seconds: 100
def build_dataloader(dataset, loader_params):
    import time

    return DataLoader(dataset, **loader_params, num_workers=2, worker_init_fn=lambda _: time.sleep(10000))
