"""Loads published models as they are (images -> logits), with their preprocessing and the names of their classes.

    published("resnet18-32")                        # the course's model for 32x32 images, with its resnet18.pt
    published("alexnet", weights="IMAGENET1K_V1")   # any of torchvision's models for classification
    published("densenet121", weights="mine.pt")     # a state dict of your own; its number of classes may differ

It does not cover models for detection, segmentation or video.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision import models as zoo
from torchvision.models import VisionTransformer, WeightsEnum

from models import CHECKPOINT, ResNet
from mp09.errors import ModelError
from mp09.nets.ours import OUR_CLASSES, OUR_SIZE, OURS
from mp09.nets.preprocess import BOX, Preprocess
from mp09.nets.state_dicts import SHOWN, image_size, load_state, other_outputs, outputs, read_state

# Models with auxiliary heads, which are for training from scratch. The published weights of these two take images that
# are normalised in another way (`transform_input`). A state dict can't say so, and is taken for one of that kind.
WITH_AUXILIARY = ("googlenet", "inception_v3")


@dataclass(frozen=True)
class Published:
    """A published model is a whole model with what it expects.

    Attributes:
        name: one of `names()`.
        net: maps float (N, 3, size, size) to logits (N, outputs).
        preprocess: what images go through before `net`.
        classes: the names of the outputs; empty when they are not known.
        weights: the name of its weights, e.g. "AlexNet_Weights.IMAGENET1K_V1", or that of their file.
        file: the checkpoint they were read from; None for random weights.
        guessed: whether `classes` only follow from the number of outputs, which is ImageNet's thousand.
    """

    name: str
    net: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    weights: str
    file: Path | None
    guessed: bool = False


def names() -> list[str]:
    """Return the names of all models that `published` knows."""
    return [OURS, *zoo.list_models(module=zoo)]


def registered(name: str) -> dict[str, WeightsEnum]:
    """Return torchvision's weights of a model by name, "DEFAULT" among them, but only weights that have classes."""
    return {key: entry for key, entry in zoo.get_model_weights(name).__members__.items() if entry.meta["categories"]}


def check_name(name: str) -> None:
    """Raise ModelError, with the nearest names, for a model that is not one of `names()`."""
    if name not in names():
        raise ModelError(f"{name}: no such model. {_did_you_mean(name, names())}")


def published(name: str, weights: str | Path = "default") -> Published:
    """Build a model and fill it with weights.

    Args:
        name: one of `names()`.
        weights: "default" (the best published ones), a name of torchvision's registry, "none" (random numbers), or
            the path of a state dict (.pt, .pth, .safetensors).

    Raises:
        ModelError: there is no such model, there are no such weights, they don't fit, or a download fails.
    """
    check_name(name)
    registry = {} if name == OURS else registered(name)
    classes: tuple[str, ...] = ()
    file: Path | None = None
    guessed = False
    if registry and str(weights) in (*registry, "default"):
        chosen = registry["DEFAULT" if str(weights) == "default" else str(weights)]
        net, classes, origin, file = _fetch(name, chosen), tuple(chosen.meta["categories"]), str(chosen), _kept(chosen)
    elif str(weights) == "none":
        net, origin = make(name), "none"
    elif name == OURS and str(weights) == "default":
        net, classes, origin, file = _filled(name, CHECKPOINT), OUR_CLASSES, CHECKPOINT.name, CHECKPOINT
    elif Path(weights).suffix or Path(weights).exists():
        net, file = _filled(name, Path(weights)), Path(weights)
        known = _entry(registry, file.name)
        origin = str(known or file.name)
        if registry and outputs(net) == len(categories := registry["DEFAULT"].meta["categories"]):
            classes, guessed = tuple(categories), not known
    else:
        raise ModelError(f"{weights}: no such weights. {_did_you_mean(str(weights), [*registry, 'default', 'none'])}")
    preprocess = our_preprocess() if name == OURS else _preset(net, registry, origin)
    return Published(name, net, preprocess, classes, origin, file, guessed)


def unfilled(name: str, weights: str, state: dict[str, Tensor]) -> Published:
    """Build the model that `published` fills with weights, but leave them random, and don't read their file.

    Args:
        name, weights: as for `published`.
        state: the weights that will be loaded into it, by their names; a last layer of another size does not matter.
    """
    check_name(name)
    registry = {} if name == OURS else registered(name)
    origin = str(_entry(registry, weights) or Path(weights).name)
    net = make(name, image_size=image_size(state), transform_input=weights != "none")
    preprocess = our_preprocess() if name == OURS else _preset(net, registry, origin)
    return Published(name, net, preprocess, (), origin, None)


def _entry(registry: dict[str, WeightsEnum], weights: str) -> WeightsEnum | None:
    """Return torchvision's weights by their name, "default", or the file that they lie in.

    A file of torchvision's that was fetched elsewhere is known by its name, which contains a checksum.
    """
    by_name = registry.get("DEFAULT" if weights == "default" else weights)
    return by_name or next((one for one in registry.values() if one.url.endswith(f"/{Path(weights).name}")), None)


def _did_you_mean(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known[:SHOWN])}, …"


def make(
    name: str, *, num_classes: int | None = None, image_size: int | None = None, transform_input: bool = False
) -> nn.Module:
    """Return the model with random weights, and without auxiliary heads.

    Args:
        name: one of `names()`.
        num_classes: the number of outputs; None for that of the published model.
        image_size: the side of the images that a vision transformer takes, in pixels; None for that of its default
            weights. This changes no other model.
        transform_input: whether a model of WITH_AUXILIARY normalises images as its published weights need it.
    """
    if name == OURS:
        return ResNet(num_classes=num_classes or len(OUR_CLASSES))
    options: dict[str, int | bool] = {} if num_classes is None else {"num_classes": num_classes}
    if name in WITH_AUXILIARY:
        options |= {"aux_logits": False, "init_weights": False, "transform_input": transform_input}
    if name.startswith("vit_"):
        options["image_size"] = image_size or prepared_for(registered(name)["DEFAULT"]).size
    return zoo.get_model(name, weights=None, **options)


def _fetch(name: str, chosen: WeightsEnum) -> nn.Module:
    """Return the model with published weights, as torchvision itself builds it, but without auxiliary heads."""
    try:
        net = zoo.get_model(name, weights=chosen, progress=False)
    except (OSError, URLError, RuntimeError) as error:  # RuntimeError: the checksum differs
        raise ModelError(
            f"{chosen}: could not be fetched from {chosen.url} ({error}). Fetch that file elsewhere and give its "
            'path as weights, or use weights "none".'
        ) from error
    if name in WITH_AUXILIARY:
        net.aux_logits = False
        net.AuxLogits = net.aux1 = net.aux2 = None  # each of these models has some of them
    return net


def _kept(chosen: WeightsEnum) -> Path:
    """Return the path at which `_fetch` leaves the checkpoint."""
    return Path(torch.hub.get_dir(), "checkpoints", chosen.url.rpartition("/")[2])


def _filled(name: str, path: Path) -> nn.Module:
    """Return the model with the weights of a checkpoint, and with as many outputs as these have."""
    state = read_state(path)
    size = image_size(state)
    net = make(name, image_size=size, transform_input=True)
    if outputs := other_outputs(net, state):
        net = make(name, num_classes=outputs, image_size=size, transform_input=True)
    load_state(net, state, path.name)
    return net


def our_preprocess() -> Preprocess:
    """Return the preprocessing for the course's model.

    The model was trained on images reduced by a box filter, and is less accurate on others: on Tiny ImageNet with its
    200 classes, the accuracy is 0.40 with this filter and 0.24 without it.
    """
    return Preprocess(OUR_SIZE, (0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261), interpolation=BOX)


def prepared_for(entry: WeightsEnum) -> Preprocess:
    """Return the preprocessing for one entry of torchvision's registry."""
    preset = entry.transforms()
    return Preprocess(
        preset.crop_size[0],
        preset.mean,
        preset.std,
        resize=preset.resize_size[0],
        interpolation=preset.interpolation.value,
    )


def _preset(net: nn.Module, registry: dict[str, WeightsEnum], origin: str) -> Preprocess:
    """Return the preprocessing of the weights' own transforms; for other weights that of the default ones."""
    found = [entry for entry in registry.values() if str(entry) == origin]
    preprocess = prepared_for(found[0] if found else registry["DEFAULT"])
    if not isinstance(net, VisionTransformer) or net.image_size == preprocess.size:
        return preprocess
    interpolation = preprocess.interpolation.value  # a vision transformer takes images of one size only
    return Preprocess(net.image_size, preprocess.mean, preprocess.std, interpolation=interpolation)
