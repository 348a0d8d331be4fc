"""`python -m mp09 features`: a data set's features, cached, in several views where asked, and what they are worth."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from mp09.cluster import connected
from mp09.data import pictures
from mp09.data.imageset import ImageSet
from mp09.errors import FeatureError
from mp09.features.cluster import OnCluster
from mp09.features.extract import BATCH_SIZE, CALIBRATION, Compute, compute_here, extract, stack
from mp09.features.featureset import FeatureSet
from mp09.features.heads import accuracy, logistic_regression
from mp09.nets.backbones import Backbone, backbone
from mp09.recipes.pictures import Data, Pictures, loader, sample
from mp09.recipes.progress import Progress, no_progress, of_features
from mp09.training.augment import crop_and_flip


def _mirror(images: Tensor) -> Tensor:
    return images.flip(-1)


def features_of(
    backbone: Backbone,
    found: Pictures,
    what: str,
    *,
    views: int = 1,
    device: str = "auto",
    precision: str = "auto",
    cache: Path | None = None,
    compute: Compute = compute_here,
    progress: Progress = no_progress,
) -> FeatureSet:
    """Features (views * N, D): the pictures as they are, then mirrored, then moved and mirrored at random.

    what: a word for the progress; the rest as `extract`. Raises FeatureError as well for fewer views than one.
    """
    if views < 1:
        raise FeatureError(f"views: expected 1 or more, got {views}.")
    in_memory = isinstance(found, ImageSet)
    key = None if in_memory or cache is None else pictures.digest(found)
    calibration = sample(found, backbone.preprocess, CALIBRATION) if precision == "int8" and not in_memory else None
    sets = []
    for view in range(views):
        augment, name = ((None, ""), (_mirror, "mirrored"))[view] if view < 2 else (crop_and_flip(), "crop_and_flip(4)")
        sets.append(
            extract(
                backbone,
                found if in_memory else loader(found, backbone.preprocess, BATCH_SIZE),
                device=device,
                precision=precision,
                augment=augment,
                view=name,
                seed=view,
                cache=cache,
                key=key,
                calibration=calibration,
                compute=compute,
                watch=of_features(progress, what),
            )
        )
    return sets[0] if views == 1 else stack(sets)


@dataclass(frozen=True)
class Extracted:
    """sizes: (pictures and views, width) of each part; accuracy: of logistic regression on the part `judged_on`."""

    sizes: dict[str, tuple[int, int]]
    accuracy: float
    judged_on: str


def features(
    data: Data,
    *,
    network: str = "resnet18-32",
    weights: str = "default",
    views: int = 1,
    device: str = "auto",
    precision: str = "auto",
    cache: Path,
    on_cluster: bool = False,
    address: str | None = None,
    progress: Progress = no_progress,
) -> Extracted:
    """Put all features into the cache, and judge them by logistic regression: a linear probe.

    on_cluster: computed on Ray's cluster at `address`, see `cluster.connected`.
    """
    base = backbone(network, weights)
    here = "cpu" if on_cluster else device
    how = {"device": here, "precision": precision, "cache": cache, "progress": progress}
    parts = {"train": data.train, "valid": data.valid, "test": data.test}
    with connected(address) if on_cluster else nullcontext() as ray:
        compute = OnCluster(ray, gpus=device.startswith("cuda")) if on_cluster else compute_here
        found = {
            name: features_of(base, part, name, views=views if name == "train" else 1, compute=compute, **how)
            for name, part in parts.items()
            if part is not None
        }
    judged_on = "test" if data.test is not None else "valid"
    head = logistic_regression(found["train"], len(data.classes))
    sizes = {name: part.features.shape for name, part in found.items()}
    return Extracted(sizes, accuracy(head, found[judged_on]), judged_on)
