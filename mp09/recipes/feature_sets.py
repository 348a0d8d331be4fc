"""Computes the features of a data set, in several views where asked, keeps them in a cache, and judges them.

This is the work of `python -m mp09 features`.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mp09.cluster import connected
from mp09.data import class_folders
from mp09.data.archives import Progress
from mp09.data.class_folders import Listing
from mp09.data.imageset import ImageSet
from mp09.errors import FeatureError
from mp09.features.extract import CALIBRATION, ExtractOptions, View, extract
from mp09.features.featureset import FeatureSet, stack
from mp09.features.heads import accuracy, logistic_regression
from mp09.features.on_ray import OnCluster
from mp09.nets.backbones import Backbone, backbone
from mp09.precision import AUTO, INT8
from mp09.recipes.datasets import Data, loader, sample
from mp09.recipes.labelled import Images
from mp09.recipes.model_options import ModelOptions
from mp09.recipes.progress import no_progress, of_features
from mp09.training.augment import crop_and_flip

VIEWS_LIMIT = 1000  # of one data set; the random numbers of views of two seeds differ


def features_of(
    backbone: Backbone,
    found: Images,
    what: str,
    options: ExtractOptions = ExtractOptions(),
    *,
    views: int = 1,
    seed: int = 0,
    calibration: Tensor | None = None,
    progress: Progress = no_progress,
) -> FeatureSet:
    """Compute features (views * N, D): of the images as they are, then mirrored, then moved and mirrored at random.

    Args:
        found: The N images.
        what: What the progress calls them, such as "train".
        views: How many of these views there are. From the third on, each is moved anew.
        seed: Of these random moves.
        calibration: What `calibration_of` gives, the same for all parts of a data set.

    The other arguments and the errors are those of `extract`; a wrong number of views is a FeatureError, too.
    """
    if not 1 <= views <= VIEWS_LIMIT:
        raise FeatureError(f"views: expected 1 to {VIEWS_LIMIT}, got {views}.")
    key = class_folders.digest(found) if isinstance(found, Listing) and options.cache is not None else None
    sets = [
        extract(
            backbone,
            found if isinstance(found, ImageSet) else loader(found, backbone.preprocess, options.batch_size),
            options,
            view=_view(number, seed),
            key=key,
            calibration=calibration,
            watch=of_features(progress, what),
        )
        for number in range(views)
    ]
    return sets[0] if views == 1 else stack(sets)


def calibration_of(backbone: Backbone, train: Images, options: ExtractOptions) -> Tensor | None:
    """Return training images uint8 (n, 3, H, W) by which int8's steps are chosen; None for other precisions.

    They are chosen once, so that training, validation and test images go through one and the same model.
    """
    if options.precision != INT8:
        return None
    if isinstance(train, Listing):
        return sample(train, backbone.preprocess, CALIBRATION)
    chosen = np.linspace(0, len(train) - 1, min(CALIBRATION, len(train))).astype(int)
    return torch.from_numpy(train.images[chosen])


def _view(number: int, seed: int) -> View | None:
    if number == 0:
        return None
    if number == 1:
        return View("mirrored", _mirror, number)
    return View("crop_and_flip(4)", crop_and_flip(), seed * VIEWS_LIMIT + number)


def _mirror(images: Tensor) -> Tensor:
    return images.flip(-1)


@dataclass(frozen=True)
class ClusterOptions:
    """Says whether work is done on a Ray cluster, and on which: see `cluster.connected`."""

    use: bool = False
    address: str | None = None


@dataclass(frozen=True)
class Extracted:
    """What `features` found.

    Attributes:
        sizes: For each part the number of images and views, and the width of their features.
        accuracy: Of logistic regression on the part `judged_on`, 0 to 1.
    """

    sizes: dict[str, tuple[int, int]]
    accuracy: float
    judged_on: str


def features(
    data: Data,
    model: ModelOptions = ModelOptions(),
    options: ExtractOptions = ExtractOptions(),
    *,
    views: int = 1,
    seed: int = 0,
    cluster: ClusterOptions = ClusterOptions(),
    progress: Progress = no_progress,
) -> Extracted:
    """Put the features of a whole data set into the cache, and judge them by logistic regression, a linear probe.

    Args:
        data: The images.
        model: Which backbone.
        options: Where and how features are computed, and where they are kept.
        views, seed: How many views there are of the training images, and the seed of what is random in them; see
            `features_of`.
        cluster: Whether a cluster computes the features. Its workers take a GPU each if `options.device` is "cuda", and
            a core otherwise.
        progress: Is told how far the features are.

    Raises:
        DataError: An image can't be read.
        ModelError: There is no such model, there are no such weights, or they don't fit.
        FeatureError: The precision is not possible here, the cache is damaged or can't be written, `views` is not 1 to
            VIEWS_LIMIT, or a class has no training images.
        DeviceError, ClusterError: There is no such device, or the cluster can't be used.
    """
    base = backbone(model.name, model.weights)
    parts = {"train": data.train, "valid": data.valid, "test": data.test}
    with connected(cluster.address) if cluster.use else nullcontext() as ray:
        if ray:
            compute = OnCluster(ray, gpus=options.device.startswith("cuda"))
            precision = compute.precision() if options.precision == AUTO else options.precision
            options = replace(options, device="cpu", precision=precision, compute=compute)
        calibration = calibration_of(base, data.train, options)
        found = {
            name: features_of(
                base,
                part,
                name,
                options,
                views=views if name == "train" else 1,
                seed=seed,
                calibration=calibration,
                progress=progress,
            )
            for name, part in parts.items()
            if part is not None
        }
    judged_on = "test" if data.test is not None else "valid"
    head = logistic_regression(found["train"], len(data.classes))
    sizes = {name: part.features.shape for name, part in found.items()}
    return Extracted(sizes, accuracy(head, found[judged_on]), judged_on)
