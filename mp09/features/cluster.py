"""The same extraction on a Ray cluster (Ray Data, extra `cluster`): every batch is computed by one of its workers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mp09.cluster import connected
from mp09.device import choose_device, fast_dtype, prepare_processor, seed_everything
from mp09.errors import ClusterError, FeatureError
from mp09.features import cache as store
from mp09.features.extract import BATCH_SIZE, DTYPES, Watch, batches, card_of, fast_form, joined, run
from mp09.features.featureset import FeatureSet


class _Extractor:
    """One worker's network, used for many batches."""

    def __init__(self, body: nn.Module, preprocess: nn.Module, device: str, dtype: torch.dtype):
        prepare_processor()
        self.device = choose_device(device)
        self.body = body.to(self.device)
        self.preprocess = preprocess.to(self.device)
        self.dtype = dtype

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        pictures = torch.from_numpy(np.ascontiguousarray(batch["data"])).to(self.device)
        return {"features": run(self.body, self.preprocess, pictures, self.dtype)}


def extract_on_cluster(
    backbone,
    data,
    *,
    address: str | None = None,
    workers: int | None = None,
    batch_size: int = BATCH_SIZE,
    device: str = "cpu",
    precision: str = "auto",
    augment: Callable[[Tensor], Tensor] | None = None,
    view: str = "",
    seed: int = 0,
    cache: Path | None = None,
    key: str | None = None,
    watch: Watch | None = None,
) -> FeatureSet:
    """As `extract`, with the same batches, on a cluster; `precision` "auto" is what this machine is fast in.

    Args:
        address: of a running cluster, e.g. "auto" or "ray://host:10001"; None: start one on this machine.
        workers: how many compute at a time; default: one a core, or one a GPU with device "cuda".

    Raises:
        ClusterError: Ray is not installed, can't be reached, or a worker fails.
        FeatureError: as `extract`.
    """
    dtype = fast_dtype(torch.device("cpu")) if precision == "auto" else DTYPES[precision]
    card = {}
    if cache:
        card = card_of(backbone, data, key, {"view": view, "seed": seed, "precision": str(dtype), "device": "cpu"})
        if (known := store.read(cache, store.key_of(card))) is not None:
            return known
    with connected(address) as ray:
        import ray.data

        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        if augment:
            seed_everything(seed)
        stored, labels = [], []
        for x, y in batches(data, batch_size):
            stored.append(ray.put((augment(x) if augment else x).numpy()))
            labels.append(np.asarray(y))
        if not stored:
            raise FeatureError("no pictures to extract features from.")
        unit = "GPU" if device.startswith("cuda") else "CPU"
        count = workers or int(ray.cluster_resources().get(unit, 0))
        if not count:
            raise ClusterError(f"Ray: the cluster has no {unit}.")
        found = ray.data.from_numpy_refs(stored).map_batches(
            _Extractor,
            fn_constructor_args=(
                fast_form(backbone.body, torch.device("cpu"), dtype),
                backbone.preprocess,
                device,
                dtype,
            ),
            batch_size=None,  # a batch is what was put
            concurrency=min(count, len(stored)),
            num_cpus=None if unit == "GPU" else 1,
            num_gpus=1 if unit == "GPU" else None,
        )
        rows, done, total = [], 0, sum(map(len, labels))
        for batch in found.iter_batches(batch_size=None):
            rows.append(np.asarray(batch["features"], np.float32))
            done += len(rows[-1])
            if watch:
                watch(done, total)
    features = FeatureSet(joined(rows), np.concatenate(labels).astype(np.int64), store.key_of(card))
    return store.write(cache, features, card) if cache else features
