# Trains with batches from DataLoader workers that stay for both epochs.
# base: brief


def build_dataloader(dataset, loader_params):
    loader_params = {"num_workers": 2, "persistent_workers": True} | loader_params
    return DataLoader(dataset, **loader_params)
