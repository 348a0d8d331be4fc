"""Extracts features on a Ray cluster, whose workers compute the batches.

It needs Ray Data, which comes with the extra `cluster`.
"""

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mp09.device import choose_device, fast_dtype
from mp09.errors import ClusterError
from mp09.features.extract import MakeForm, run
from mp09.features.forms import engine
from mp09.features.sources import PreparesImages
from mp09.precision import AUTO, BFLOAT16, FLOAT32, forced

if TYPE_CHECKING:
    from ray.types import ObjectRef

WINDOW = 2**30  # bytes of images that lie in the cluster's memory at the same time


class OnCluster:
    """Computes features on a cluster: `extract(…, ExtractOptions(compute=OnCluster(ray)))`.

    Args:
        ray: The module, as `cluster.connected` gives it.
        gpus: Whether every worker takes a GPU instead of a core.
        workers: How many workers there are at a time; by default as many as the cluster has GPUs or cores.

    Raises:
        ClusterError: When it is called, and the cluster has none.
    """

    def __init__(self, ray: ModuleType, *, gpus: bool = False, workers: int | None = None):
        self._ray, self._gpus, self._workers = ray, gpus, workers
        self.kind = "cuda" if gpus else "cpu"  # of the devices that compute

    def precision(self) -> str:
        """Return what "auto" means on a cluster: bfloat16 if all its machines have arithmetic for it, else float32.

        Here, too, MP09_PRECISION decides where it is set for this process.
        """
        if (name := forced()) != AUTO:
            return name
        return BFLOAT16 if self._everywhere(_precision) == {BFLOAT16} else FLOAT32

    def engine(self) -> str:
        """Return what computes besides PyTorch; "" where the machines differ in that."""
        found = set() if self._gpus else self._everywhere(_engine)
        return found.pop() if len(found) == 1 else ""

    def _everywhere(self, ask: Callable[[str], str]) -> set[str]:
        """Return the different answers that the cluster's machines give to a question about their devices."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        unit = "GPU" if self._gpus else "CPU"
        share = {"num_gpus": 0.01, "num_cpus": 0} if self._gpus else {"num_cpus": 0}
        asked = [
            self._ray.remote(ask)
            .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False), **share)
            .remote(self.kind)
            for node in self._ray.nodes()
            if node["Alive"] and node["Resources"].get(unit)
        ]
        return set(self._ray.get(asked))

    def __call__(
        self, make_form: MakeForm, preprocess: PreparesImages, images: Iterable[Tensor], device: torch.device
    ) -> Iterator[np.ndarray]:
        """Yield the features float32 (n, D) of each batch. `device` is one of this machine and is not used."""
        import ray.data

        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        unit = "GPU" if self._gpus else "CPU"
        count = self._workers or int(self._ray.cluster_resources().get(unit, 0))
        if not count:
            raise ClusterError(f"Ray: the cluster has no {unit}.")
        for stored in self._windows(images):
            found = ray.data.from_numpy_refs(stored).map_batches(
                _Worker,
                fn_constructor_args=(make_form, preprocess, self.kind),
                batch_size=None,  # a batch is what was stored as one array
                compute=ray.data.ActorPoolStrategy(size=min(count, len(stored))),
                num_gpus=1 if self._gpus else None,
                num_cpus=None if self._gpus else 1,
            )
            for batch in found.iter_batches(batch_size=None):
                yield np.asarray(batch["features"], np.float32)

    def _windows(self, images: Iterable[Tensor]) -> "Iterator[list[ObjectRef[np.ndarray]]]":
        """Yield references to batches in Ray's store, in lists with about WINDOW bytes of images each."""
        stored: list[ObjectRef[np.ndarray]] = []
        size = 0
        for x in images:
            stored.append(self._ray.put(x.numpy()))
            size += x.nbytes
            if size >= WINDOW:
                yield stored
                stored, size = [], 0
        if stored:
            yield stored


def _precision(kind: str) -> str:
    """Return what "auto" means on a device of the machine that this runs on."""
    return BFLOAT16 if fast_dtype(torch.device(kind)) == torch.bfloat16 else FLOAT32


def _engine(kind: str) -> str:
    """Return what computes forms besides PyTorch on the machine that this runs on."""
    return engine(torch.device(kind))


class _Worker:
    """Holds the model of one worker, which uses it for many batches."""

    def __init__(self, make_form: MakeForm, preprocess: PreparesImages, device: str):
        self.device = choose_device(device)
        self.form, self.preprocess = make_form(self.device), preprocess.to(self.device)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        images = torch.from_numpy(np.ascontiguousarray(batch["data"])).to(self.device)
        return {"features": run(self.form, self.preprocess, images)}
