"""Loads published models as they are (images -> logits), with their preprocessing and the names of their classes.

    published("resnet18-32")                        # the course's model for 32x32 images, with its resnet18.pt
    published("alexnet", weights="IMAGENET1K_V1")   # any of torchvision's models for classification
    published("densenet121", weights="mine.pt")     # a state dict of your own; its number of classes may differ

It does not cover models for detection, segmentation or video.
"""

import difflib
import math
import pickle
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present
from torchvision import models as zoo
from torchvision.models import VisionTransformer, WeightsEnum

from models import CHECKPOINT, ResNet
from mp09.errors import ModelError
from mp09.nets.preprocess import BOX, Preprocess

OURS = "resnet18-32"
OUR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
OUR_SIZE = 32  # the side of the input of the course's model, in pixels
# Models with auxiliary heads, which are for training from scratch. The published weights of these two take images that
# are normalised in another way (`transform_input`). A state dict can't say so, and is taken for one of that kind.
WITH_AUXILIARY = ("googlenet", "inception_v3")
AUXILIARY = ("AuxLogits", "aux1", "aux2")
SHOWN = 5  # names in an error message at most


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
        known = [str(entry) for entry in registry.values() if entry.url.rpartition("/")[2] == file.name]
        # A file of torchvision's that was fetched elsewhere is known by its name, which contains a checksum.
        origin = known[0] if known else file.name
        if registry and outputs(net) == len(categories := registry["DEFAULT"].meta["categories"]):
            classes, guessed = tuple(categories), not known
    else:
        known = [*registry, "default", "none"]
        raise ModelError(f"{weights}: no such weights. {_did_you_mean(str(weights), known)}")
    preprocess = our_preprocess() if name == OURS else _preset(net, registry, origin)
    return Published(name, net, preprocess, classes, origin, file, guessed)


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
    size = _image_size(state)
    net = make(name, image_size=size, transform_input=True)
    if outputs := _other_outputs(net, state):
        net = make(name, num_classes=outputs, image_size=size, transform_input=True)
    _load(net, state, path.name)
    return net


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors file, or from a checkpoint of PyTorch that holds tensors only.

    Raises:
        ModelError: the file can't be read or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path}: could not be read as weights: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: could not be read as weights: it is no file of PyTorch's, or holds more than tensors. Save those "
            "alone: torch.save(net.state_dict(), path)"
        ) from error
    except Exception as error:  # a damaged file raises almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: could not be read as weights: {reason}") from error
    for wrapper in ("state_dict", "model"):  # training scripts save the state dict in one of these
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path}: expected a state dict (names of tensors), got {type(state).__name__}.")
    consume_prefix_in_state_dict_if_present(state, "module.")  # DistributedDataParallel puts it before each name
    return state


def _image_size(state: dict[str, Tensor]) -> int | None:
    """Return a vision transformer's image size, as its weights hold a vector for each patch; None for other models."""
    places, patch = state.get("encoder.pos_embedding"), state.get("conv_proj.weight")
    if places is None or patch is None:
        return None
    return math.isqrt(places.shape[1] - 1) * patch.shape[-1]


def _other_outputs(net: nn.Module, state: dict[str, Tensor]) -> int | None:
    """Return how many outputs a state dict has, or None when the model has as many or this can't be told."""
    name, layer = last_layer(net)
    weight = state.get(f"{name}.weight")
    if weight is None or weight.shape == layer.weight.shape or weight.shape[1:] != layer.weight.shape[1:]:
        return None
    return weight.shape[0]


def _load(net: nn.Module, state: dict[str, Tensor], origin: str) -> None:
    """Load a state dict into a model. Raises ModelError, which names the tensors that don't fit."""
    own = net.state_dict()
    fitting: OrderedDict[str, Tensor] = OrderedDict()
    # These are the versions by which layers rename old tensors. PyTorch annotates a state dict as a plain dict.
    fitting._metadata = getattr(state, "_metadata", own._metadata)  # type: ignore[attr-defined]
    shapes = []
    for key, value in state.items():
        name = re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key)  # the published DenseNets have old names
        if name in own and own[name].shape != value.shape:
            shapes.append(f"{name} is {tuple(value.shape)} and should be {tuple(own[name].shape)}")
        elif not name.startswith(AUXILIARY):
            fitting[name] = value
    try:
        result = net.load_state_dict(fitting, strict=False)
    except (RuntimeError, ValueError) as error:  # raised by layers that rename old tensors
        raise ModelError(f"{origin}: the weights don't fit this model ({str(error).splitlines()[-1]}).") from error
    wrong = {text.split()[0] for text in shapes}
    # BatchNorm's step counter is absent in old checkpoints, and no part of what a model computes.
    missing = [key for key in result.missing_keys if key not in wrong and not key.endswith("num_batches_tracked")]
    faults = {"missing": missing, "unknown": result.unexpected_keys, "of another shape": shapes}
    if any(faults.values()):
        words = [
            f"{len(found)} {kind} ({', '.join(found[:SHOWN])}{', …' if len(found) > SHOWN else ''})"
            for kind, found in faults.items()
            if found
        ]
        raise ModelError(f"{origin}: the weights don't fit this model: tensors {'; '.join(words)}.")


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


def last_layer(net: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """Return the name and the module of the layer that gives the outputs.

    This is the last linear layer, or the last convolution of SqueezeNet, which has no linear layer.
    """
    modules = list(net.named_modules())
    linear = [(name, module) for name, module in modules if isinstance(module, nn.Linear)]
    convolutions = [(name, module) for name, module in modules if isinstance(module, nn.Conv2d)]
    return linear[-1] if linear else convolutions[-1]


def outputs(net: nn.Module) -> int:
    """Return the number of a model's outputs."""
    return last_layer(net)[1].weight.shape[0]
