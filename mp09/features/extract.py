"""Extracts a frozen backbone's features of many images, as fast as the machine can compute them, and only once.

    features = extract(backbone("resnet18-32"), image_set, ExtractOptions(cache=Path("features")))

The backbone is copied into its fastest form (see `forms`), and numbers are bfloat16 where the device has arithmetic for
it. Images stay uint8 until it is the turn of their batch, and the next batches are read while the model computes.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from mp09.device import choose_device, fast_dtype, seed_everything
from mp09.errors import FeatureError
from mp09.features import cache as store
from mp09.features.ahead import ahead
from mp09.features.featureset import FeatureSet
from mp09.features.forms import Form, engine, form_of
from mp09.features.openvino_form import version
from mp09.features.rows import Rows
from mp09.features.sources import HasBody, ImageSource, InMemory, PreparesImages, batches
from mp09.precision import AUTO, BFLOAT16, FLOAT32, INT8

BATCH_SIZE = 256
SAMPLE_SIZE = (64, 48)  # of an image that goes through the preprocessing to show its result's size
COMPUTED = (FLOAT32, BFLOAT16, INT8)  # precisions of features
CALIBRATION = 512  # images by which the steps of int8 are chosen

WatchExtraction = Callable[[int, int], None]  # takes (images done, images in all or 0 when that is not known)
MakeForm = Callable[[torch.device], Form]  # may be pickled, with the backbone in it
# Takes (make_form, preprocess, batches uint8 (n, 3, H, W), device), and yields the features float32 (n, D) of each
# batch in order.
Compute = Callable[[MakeForm, PreparesImages, Iterable[Tensor], torch.device], Iterator[np.ndarray]]


@runtime_checkable
class ComputesElsewhere(Protocol):
    """Is a `Compute` on other machines, which tells the kind of their devices, and the engine that they share."""

    kind: str

    def engine(self) -> str: ...


def compute_here(
    make_form: MakeForm, preprocess: PreparesImages, images: Iterable[Tensor], device: torch.device
) -> Iterator[np.ndarray]:
    """Compute features in this process; this is the usual `Compute`."""
    form, preprocess = make_form(device), copy.deepcopy(preprocess).to(device)
    for x in ahead(images):
        yield run(form, preprocess, x.to(device, non_blocking=True))


@dataclass(frozen=True)
class ExtractOptions:
    """Says where features are computed, how exactly, and where they are kept.

    Attributes:
        device: "auto" for the fastest one, "cpu", "cuda", "cuda:1" or "mps".
        precision: "float32" or "bfloat16". "auto" means what MP09_PRECISION says, or else bfloat16 where the device
            has arithmetic for it. "int8" is for processors: see `forms.form_of`.
        cache: The folder where features are kept, and found again; None keeps nothing.
        batch_size: Images in a batch.
        compute: What computes a batch; `on_ray.OnCluster` does it on other machines.
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
    kind = options.compute.kind if isinstance(options.compute, ComputesElsewhere) else device.type
    if kind != "cpu":  # it adds in another order
        card["device"] = kind
    # What `form_of` makes of a backbone follows from these.
    if name := options.compute.engine() if isinstance(options.compute, ComputesElsewhere) else engine(device):
        card["engine"] = name
    if precision == INT8:
        card["quantizer"] = version("nncf")
    if view:  # random numbers are drawn for a batch at a time
        card["batch_size"] = options.batch_size
    if options.cache:
        store.ready(options.cache)
        known = store.read(options.cache, store.key_of(card))
        if known is not None:
            return known
    inputs = _inputs(backbone.preprocess, data, calibration) if precision == INT8 else ()
    make_form = partial(_form, backbone.body, backbone.preprocess, precision, inputs, fast=bool(name))
    found = _computed(make_form, backbone.preprocess, data, options, view, device, watch)
    found = replace(found, key=store.key_of(card))
    return store.write(options.cache, found, card) if options.cache else found


def _form(
    body: nn.Module,
    preprocess: PreparesImages,
    precision: str,
    calibration: Sequence[Tensor],
    device: torch.device,
    *,
    fast: bool,
) -> Form:
    """Return the form of a backbone; its sample is what `preprocess` makes of black images."""
    prepared = copy.deepcopy(preprocess).to(torch.device("cpu"))  # it may have moved to a GPU with its model
    sample = prepared(torch.zeros(2, 3, *SAMPLE_SIZE, dtype=torch.uint8))
    return form_of(body, sample, precision, device, calibration, fast=fast)


def _computed(
    make_form: MakeForm,
    preprocess: PreparesImages,
    data: ImageSource,
    options: ExtractOptions,
    view: View | None,
    device: torch.device,
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
    for chunk in options.compute(make_form, preprocess, images(), device):
        features.add(chunk)
        if watch:
            watch(features.count, total)
    if not features.count:
        raise FeatureError("no images to extract features from.")
    return FeatureSet(features.close(), labels.close(), "")


@torch.inference_mode()
def run(form: Form, preprocess: PreparesImages, x: Tensor) -> np.ndarray:
    """Return the features float32 (n, D) of one batch.

    Args:
        form, preprocess: Those of a backbone, on one device.
        x: Images uint8 (n, 3, H, W), on the same device.
    """
    with form.beside():
        return form(preprocess(x)).cpu().numpy()


def _chosen(precision: str, torch_device: torch.device, compute: Compute) -> str:
    """Return the precision, one of COMPUTED. Raises FeatureError when it is none, or not possible here."""
    if precision == AUTO:
        return "bfloat16" if fast_dtype(torch_device) == torch.bfloat16 else "float32"
    if precision not in COMPUTED:
        raise FeatureError(f"precision: expected auto, {', '.join(COMPUTED)}; got {precision!r}.")
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
