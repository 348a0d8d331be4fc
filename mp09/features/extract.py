"""Extraction: a frozen backbone's features of many pictures, as fast as the machine computes, and only once.

    features = extract(backbone("resnet18-32"), image_set, cache=Path("features"))

The backbone is copied into its fastest form (`forms`: BatchNorm folded into convolutions, channels last, bfloat16
where the device has it), pictures stay uint8 until their batch, and the next batches are read while the network
computes.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mp09.device import choose_device, fast_dtype, seed_everything
from mp09.errors import FeatureError
from mp09.features import cache as store
from mp09.features.ahead import ahead
from mp09.features.featureset import FeatureSet
from mp09.features.forms import fast_form, int8_form

BATCH_SIZE = 256
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "int8": torch.float32}  # of what the network is given
GROWTH = 2**26  # bytes; so large a piece of memory grows without being copied
CALIBRATION = 512  # pictures that int8's steps are chosen by

Watch = Callable[[int, int], None]  # (pictures done, of how many; 0 when that is not known)
# (body, preprocess, batches uint8 (n, 3, H, W), device, dtype) -> features float32 (n, D) of each batch, in order
Compute = Callable[[nn.Module, nn.Module, Iterable[Tensor], torch.device, torch.dtype], Iterator[np.ndarray]]


def compute_here(
    body: nn.Module, preprocess: nn.Module, pictures: Iterable[Tensor], device: torch.device, dtype: torch.dtype
) -> Iterator[np.ndarray]:
    """A `Compute` in this process."""
    body, preprocess = body.to(device), copy.deepcopy(preprocess).to(device)
    for x in ahead(pictures):
        yield run(body, preprocess, x.to(device, non_blocking=True), dtype)


def extract(
    backbone,
    data,
    *,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    precision: str = "auto",
    augment: Callable[[Tensor], Tensor] | None = None,
    view: str = "",
    seed: int = 0,
    cache: Path | None = None,
    key: str | None = None,
    calibration: Tensor | None = None,
    compute: Compute = compute_here,
    watch: Watch | None = None,
) -> FeatureSet:
    """Compute the features of all pictures, or take them from the cache.

    Args:
        backbone: has `body` (float (N, 3, S, S) -> (N, D)) and `preprocess` (uint8 (N, 3, H, W) -> float (N, 3, S, S)).
        data: pictures with `images` uint8 (N, 3, H, W) and `labels` (N,), such as an ImageSet; or an iterable of
            batches (uint8 (n, 3, H, W), int64 (n,)), which is read once and never held as a whole.
        precision: "float32" or "bfloat16"; "auto" is what MP09_PRECISION says, else bfloat16 where the device has
            arithmetic for it. "int8" is for processors: see `int8_form`.
        augment: changes a batch of pictures before it is preprocessed, seeded by `seed`; `view` names it in the cache.
        cache: a folder; None keeps nothing.
        key: names the pictures of an iterable in the cache, e.g. a digest of their files.
        calibration: uint8 (n, 3, H, W), like the pictures, for int8; default: some of `data.images`.
        compute: where it happens; `cluster.OnCluster` is another place.

    Raises:
        FeatureError: no such precision, no pictures, or a cache that is damaged, can't be written, or lacks a `key` or
            a `view`.
        DeviceError: no such device.
    """
    place = choose_device(device)
    precision = _chosen(precision, place, compute)
    dtype = DTYPES[precision]
    if cache and not key and not hasattr(data, "images"):
        raise FeatureError("a cache needs a key for pictures that are read batch by batch.")
    if cache and augment and not view:
        raise FeatureError("a cache needs a view: a name for what augment does.")
    how = {"view": view, "seed": seed, "precision": precision}
    if calibration is not None:
        how["calibration"] = store.digest_arrays(calibration.numpy())
    card = _card(backbone, data, key, how)
    if cache:
        store.ready(cache)
        known = store.read(cache, store.key_of(card))
        if known is not None:
            return known
    features, labels = _Rows(np.float32), _Rows(np.int64)

    def pictures() -> Iterator[Tensor]:
        if augment:
            seed_everything(seed)
        for x, y in batches(data, batch_size):
            labels.add(np.asarray(y))
            yield augment(x) if augment else x

    total = len(data.labels) if hasattr(data, "labels") else 0
    if precision == "int8":
        body = int8_form(backbone.body, _inputs(backbone.preprocess, data, calibration))
    else:
        body = fast_form(backbone.body, dtype)
    for chunk in compute(body, backbone.preprocess, pictures(), place, dtype):
        features.add(chunk)
        if watch:
            watch(features.count, total)
    if not features.count:
        raise FeatureError("no pictures to extract features from.")
    found = FeatureSet(features.close(), labels.close(), store.key_of(card))
    return store.write(cache, found, card) if cache else found


@torch.inference_mode()
def run(body: nn.Module, preprocess: nn.Module, x: Tensor, dtype: torch.dtype) -> np.ndarray:
    """One batch, uint8 (n, 3, H, W) -> float32 (n, D)."""
    return body(preprocess(x).to(dtype, memory_format=torch.channels_last)).float().cpu().numpy()


def _chosen(precision: str, place: torch.device, compute: Compute) -> str:
    """The precision's name, of DTYPES."""
    if precision == "auto":
        return "bfloat16" if fast_dtype(place) == torch.bfloat16 else "float32"
    if precision not in DTYPES:
        raise FeatureError(f"precision: expected auto, {', '.join(DTYPES)}; got {precision!r}.")
    if precision == "int8" and (place.type != "cpu" or compute is not compute_here):
        raise FeatureError("int8 is for this machine's processor: use it with --device cpu, and not on a cluster.")
    return precision


def _inputs(preprocess: nn.Module, data, calibration: Tensor | None) -> list[Tensor]:
    """What int8's steps are chosen by, float (n, 3, S, S) each."""
    if calibration is None and not hasattr(data, "images"):
        raise FeatureError("int8 needs calibration pictures for a set that is read batch by batch.")
    if calibration is None:
        chosen = np.linspace(0, len(data.images) - 1, min(CALIBRATION, len(data.images))).astype(int)
        calibration = torch.from_numpy(data.images[chosen])
    return [preprocess(x) for x in calibration.split(BATCH_SIZE)]


def batches(data, batch_size: int) -> Iterator[tuple[Tensor, Any]]:
    """Pictures in order, (uint8 (n, 3, H, W), labels (n,)) a batch."""
    if not hasattr(data, "images"):
        yield from data
        return
    for start in range(0, len(data.labels), batch_size):
        chosen = slice(start, start + batch_size)
        yield torch.from_numpy(np.ascontiguousarray(data.images[chosen])), data.labels[chosen]


class _Rows:
    """An array (n, ...) to which batches are added: it grows in place, so that memory is needed once.

    (Many small arrays in a list, allocated between large ones that are freed, keep the freed memory from being used.)
    """

    def __init__(self, dtype: type):
        self.all = np.empty(0, dtype)
        self.count = 0

    def add(self, batch: np.ndarray) -> None:
        if self.count + len(batch) > len(self.all):
            rows = max(len(batch), GROWTH * len(batch) // batch.nbytes)
            self.all.resize((len(self.all) + rows, *batch.shape[1:]), refcheck=False)
        self.all[self.count : self.count + len(batch)] = batch
        self.count += len(batch)

    def close(self) -> np.ndarray:
        self.all.resize((self.count, *self.all.shape[1:]), refcheck=False)
        return self.all


def _card(backbone, data, key: str | None, how: dict[str, str]) -> dict[str, Any]:
    """Everything that features depend on."""
    return {
        "network": store.digest_network(backbone.body),
        "preprocess": backbone.preprocess.describe(),
        "pictures": key or (store.digest_arrays(data.images, data.labels) if hasattr(data, "images") else None),
        **how,
    }


def stack(sets: Iterable[FeatureSet]) -> FeatureSet:
    """Several views of the same pictures as one set, one after the other."""
    sets = list(sets)
    return FeatureSet(
        np.concatenate([found.features for found in sets]),
        np.concatenate([found.labels for found in sets]),
        "+".join(found.key for found in sets),
    )
