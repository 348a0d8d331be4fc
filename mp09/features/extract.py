"""Extracts a frozen backbone's features of many images, as fast as the machine can compute them, and only once.

    features = extract(backbone("resnet18-32"), image_set, ExtractOptions(cache=Path("features")))

The backbone is copied into its fastest form (see `forms`): BatchNorm is folded into convolutions, the memory format is
channels last, and numbers are bfloat16 where the device has arithmetic for it. Images stay uint8 until it is the turn
of their batch, and the next batches are read while the model computes.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
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
from mp09.features.rows import Rows
from mp09.features.sources import HasBody, ImageSource, InMemory, PreparesImages, batches
from mp09.precision import AUTO, INT8

BATCH_SIZE = 256
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, INT8: torch.float32}  # of the model's input
CALIBRATION = 512  # images by which the steps of int8 are chosen

WatchExtraction = Callable[[int, int], None]  # takes (images done, images in all or 0 when that is not known)
# Takes (body, preprocess, batches uint8 (n, 3, H, W), device, dtype), and yields the features float32 (n, D) of each
# batch in order.
Compute = Callable[[nn.Module, PreparesImages, Iterable[Tensor], torch.device, torch.dtype], Iterator[np.ndarray]]


def compute_here(
    body: nn.Module, preprocess: PreparesImages, images: Iterable[Tensor], device: torch.device, dtype: torch.dtype
) -> Iterator[np.ndarray]:
    """Compute features in this process; this is the usual `Compute`."""
    body, preprocess = body.to(device), copy.deepcopy(preprocess).to(device)
    for x in ahead(images):
        yield run(body, preprocess, x.to(device, non_blocking=True), dtype)


@dataclass(frozen=True)
class ExtractOptions:
    """Says where features are computed, how exactly, and where they are kept.

    Attributes:
        device: "auto" for the fastest one, "cpu", "cuda", "cuda:1" or "mps".
        precision: "float32" or "bfloat16". "auto" means what MP09_PRECISION says, or else bfloat16 where the device
            has arithmetic for it. "int8" is for processors: see `int8_form`.
        cache: The folder where features are kept, and found again; None keeps nothing.
        batch_size: Images in a batch.
        compute: What computes a batch; `on_ray.OnCluster` does it on other machines, whose `kind` of device it tells.
    """

    device: str = AUTO
    precision: str = AUTO
    cache: Path | None = None
    batch_size: int = BATCH_SIZE
    compute: Compute = compute_here


@dataclass(frozen=True)
class View:
    """Describes how images are changed before they are preprocessed.

    Attributes:
        name: Stands in the cache's key, so changes that differ need different names.
        augment: Maps images uint8 (n, 3, H, W) to changed ones.
        seed: Of its random changes.
    """

    name: str
    augment: Callable[[Tensor], Tensor]
    seed: int = 0


def extract(
    backbone: HasBody,
    data: ImageSource,
    options: ExtractOptions = ExtractOptions(),
    *,
    view: View | None = None,
    key: str | None = None,
    calibration: Tensor | None = None,
    watch: WatchExtraction | None = None,
) -> FeatureSet:
    """Compute the features of all images, or take them from the cache.

    Args:
        backbone: Makes the features; see `HasBody`.
        data: The images, see `InMemory`; or an iterable of batches, which is read once and never held as a whole.
        options: Device, precision and cache.
        view: A change of the images; None leaves them as they are.
        key: Names the images of an iterable in the cache, such as a digest of their files.
        calibration: Images uint8 (n, 3, H, W) for int8; by default some of `data.images`.
        watch: Is told how many images are done.

    Returns:
        A `FeatureSet`: `features` float32 (N, D), `labels` int64 (N,), and the `key` of both in the cache.

    Raises:
        FeatureError: There is no such precision, there are no images, or the cache is damaged, can't be written, or
            lacks a `key`.
        DeviceError: There is no such device.
    """
    device = choose_device(options.device)
    precision = _chosen(options.precision, device, options.compute)
    if options.cache and not key and not isinstance(data, InMemory):
        raise FeatureError("a cache needs a key for images that are read batch by batch.")
    card = _card(backbone, data, key, view, precision, calibration)
    if (kind := getattr(options.compute, "kind", device.type)) != "cpu":  # it adds in another order
        card["device"] = kind
    if view:  # random numbers are drawn for a batch at a time
        card["batch_size"] = options.batch_size
    if options.cache:
        store.ready(options.cache)
        known = store.read(options.cache, store.key_of(card))
        if known is not None:
            return known
    if precision == INT8:
        body = int8_form(backbone.body, _inputs(backbone.preprocess, data, calibration))
    else:
        body = fast_form(backbone.body, DTYPES[precision])
    found = _computed(body, backbone.preprocess, data, options, view, device, DTYPES[precision], watch)
    found = replace(found, key=store.key_of(card))
    return store.write(options.cache, found, card) if options.cache else found


def _computed(
    body: nn.Module,
    preprocess: PreparesImages,
    data: ImageSource,
    options: ExtractOptions,
    view: View | None,
    device: torch.device,
    dtype: torch.dtype,
    watch: WatchExtraction | None,
) -> FeatureSet:
    """Return the features and labels of all images, without a key."""
    features, labels = Rows(np.float32), Rows(np.int64)

    def images() -> Iterator[Tensor]:
        if view:
            seed_everything(view.seed)
        for x, y in batches(data, options.batch_size):
            labels.add(np.asarray(y))
            yield view.augment(x) if view else x

    total = len(data.labels) if isinstance(data, InMemory) else 0
    for chunk in options.compute(body, preprocess, images(), device, dtype):
        features.add(chunk)
        if watch:
            watch(features.count, total)
    if not features.count:
        raise FeatureError("no images to extract features from.")
    return FeatureSet(features.close(), labels.close(), "")


@torch.inference_mode()
def run(body: nn.Module, preprocess: PreparesImages, x: Tensor, dtype: torch.dtype) -> np.ndarray:
    """Return the features float32 (n, D) of one batch.

    Args:
        body, preprocess: The parts of a backbone, on one device.
        x: Images uint8 (n, 3, H, W), on the same device.
        dtype: The number type that the body computes in.
    """
    return body(preprocess(x).to(dtype, memory_format=torch.channels_last)).float().cpu().numpy()


def _chosen(precision: str, torch_device: torch.device, compute: Compute) -> str:
    """Return the precision as a name in DTYPES. Raises FeatureError when there is none, or it is not possible here."""
    if precision == AUTO:
        return "bfloat16" if fast_dtype(torch_device) == torch.bfloat16 else "float32"
    if precision not in DTYPES:
        raise FeatureError(f"precision: expected auto, {', '.join(DTYPES)}; got {precision!r}.")
    if precision == INT8 and (torch_device.type != "cpu" or compute is not compute_here):
        raise FeatureError("int8 is for this machine's processor: use it with --device cpu, and not on a cluster.")
    return precision


def _inputs(preprocess: PreparesImages, data: ImageSource, calibration: Tensor | None) -> list[Tensor]:
    """Return preprocessed batches float (n, 3, S, S), by which the steps of int8 are chosen."""
    if calibration is None:
        if not isinstance(data, InMemory):
            raise FeatureError("int8 needs calibration images for a set that is read batch by batch.")
        chosen = np.linspace(0, len(data.images) - 1, min(CALIBRATION, len(data.images))).astype(int)
        calibration = torch.from_numpy(data.images[chosen])
    return [preprocess(x) for x in calibration.split(BATCH_SIZE)]


def _card(
    backbone: HasBody,
    data: ImageSource,
    key: str | None,
    view: View | None,
    precision: str,
    calibration: Tensor | None,
) -> dict[str, Any]:
    """Return everything that features depend on, as plain values."""
    card = {
        "network": store.digest_model(backbone.body),  # this name is part of the key of all features that are kept
        "preprocess": backbone.preprocess.describe(),
        "images": key or (store.digest_arrays(data.images, data.labels) if isinstance(data, InMemory) else None),
        "view": view.name if view else "",
        "seed": view.seed if view else 0,
        "precision": precision,
    }
    if calibration is not None:
        card["calibration"] = store.digest_arrays(calibration.numpy())
    return card
