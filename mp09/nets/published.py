"""Published networks as they are: pictures -> logits, with their preprocessing and the names of their classes.

    published("resnet18-32")                        # the course's network for 32x32 pictures, with its resnet18.pt
    published("alexnet", weights="IMAGENET1K_V1")   # any classification network of torchvision
    published("densenet121", weights="mine.pt")     # a state dict of one's own; its number of classes may differ

Does not cover: detection, segmentation and video networks.
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
from torchvision.models import WeightsEnum

from models import CHECKPOINT, ResNet
from mp09.errors import NetworkError
from mp09.nets.preprocess import Preprocess

OURS = "resnet18-32"
OUR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# Trained on pictures reduced by a box filter: on others it sees less (Tiny ImageNet, 200 classes: 0.40 against 0.24).
OUR_PREPROCESS = {"size": 32, "mean": (0.4914, 0.4822, 0.4465), "std": (0.247, 0.243, 0.261), "interpolation": "box"}
# Further heads for training from scratch. What is published for these two takes pictures normalised in another way,
# `transform_input`; a state dict can't say so, and is taken for one of that kind.
WITH_AUXILIARY = ("googlenet", "inception_v3")
AUXILIARY = ("AuxLogits", "aux1", "aux2")
SQUEEZED = "classifier.1"  # SqueezeNet's last layer, a convolution
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Published:
    """A whole network, and what it expects.

    net: float (N, 3, size, size) -> logits (N, outputs)
    classes: names of the outputs; empty when they are not known
    guessed: only the number of outputs, ImageNet's thousand, speaks for these names
    weights: which ones, in words
    file: where they were read from; None for random ones
    """

    name: str
    net: nn.Module
    preprocess: Preprocess
    classes: tuple[str, ...]
    weights: str
    file: Path | None
    guessed: bool = False


def names() -> list[str]:
    """All networks that `published` knows."""
    return [OURS, *zoo.list_models(module=zoo)]


def registered(name: str) -> dict[str, WeightsEnum]:
    """torchvision's weights of a network by their names, "DEFAULT" among them; without those that have no classes."""
    return {key: entry for key, entry in zoo.get_model_weights(name).__members__.items() if entry.meta["categories"]}


def check_name(name: str) -> None:
    """Raise NetworkError, with the nearest names, for a network that is not one of `names()`."""
    if name not in names():
        raise NetworkError(f"{name}: no such network. {_did_you_mean(name, names())}")


def published(name: str, weights: str | Path = "default") -> Published:
    """Build a network.

    Args:
        name: one of `names()`.
        weights: "default" (the best published ones), a name of torchvision's registry, "none" (random numbers), or
            the path of a state dict (.pt, .pth, .safetensors).

    Raises:
        NetworkError: no such network or weights, weights that don't fit, a download that fails.
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
        origin = known[0] if known else file.name  # torchvision's own file, fetched elsewhere, bears a checksum
        if registry and outputs(net) == len(categories := registry["DEFAULT"].meta["categories"]):
            classes, guessed = tuple(categories), not known
    else:
        known = [*registry, "default", "none"]
        raise NetworkError(f"{weights}: no such weights. {_did_you_mean(str(weights), known)}")
    preprocess = Preprocess(**OUR_PREPROCESS) if name == OURS else _preset(net, registry, origin)
    return Published(name, net, preprocess, classes, origin, file, guessed)


def _did_you_mean(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known[:SHOWN])}, …"


def make(name: str, **options) -> nn.Module:
    """The network with random weights, without auxiliary heads."""
    if name == OURS:
        return ResNet(**options)
    if name in WITH_AUXILIARY:
        options |= {"aux_logits": False, "init_weights": False}
    if name.startswith("vit_"):
        options = {"image_size": prepared_for(registered(name)["DEFAULT"]).size} | options
    return zoo.get_model(name, weights=None, **options)


def _fetch(name: str, chosen: WeightsEnum) -> nn.Module:
    """The network with published weights, as torchvision itself builds it."""
    try:
        net = zoo.get_model(name, weights=chosen, progress=False)
    except (OSError, URLError, RuntimeError) as error:  # RuntimeError: the checksum differs
        raise NetworkError(
            f"{chosen}: could not be fetched from {chosen.url} ({error}). Fetch that file elsewhere and give its "
            'path as weights, or use weights "none".'
        ) from error
    if name in WITH_AUXILIARY:
        net.aux_logits = False
        for part in AUXILIARY:
            setattr(net, part, None)
    return net


def _kept(chosen: WeightsEnum) -> Path:
    """Where `_fetch` leaves the file."""
    return Path(torch.hub.get_dir(), "checkpoints", chosen.url.rpartition("/")[2])


def _filled(name: str, path: Path) -> nn.Module:
    """The network with the weights of a file, and as many outputs as these have."""
    state = read_state(path)
    options = {"transform_input": True} if name in WITH_AUXILIARY else _image_size(state)
    net = make(name, **options)
    if outputs := _other_outputs(net, state):
        net = make(name, num_classes=outputs, **options)
    _load(net, state, path.name)
    return net


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a .safetensors file, or one of PyTorch's that holds tensors only.

    Raises NetworkError when it can't be read or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise NetworkError(f"{path}: could not be read as weights: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise NetworkError(
            f"{path}: could not be read as weights: it is no file of PyTorch's, or holds more than tensors. Save those "
            "alone: torch.save(net.state_dict(), path)"
        ) from error
    except Exception as error:  # a damaged file raises almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkError(f"{path}: could not be read as weights: {reason}") from error
    for wrapper in ("state_dict", "model"):  # as training scripts save it
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise NetworkError(f"{path}: expected a state dict (names of tensors), got {type(state).__name__}.")
    consume_prefix_in_state_dict_if_present(state, "module.")  # DistributedDataParallel's
    return state


def _image_size(state: dict[str, Tensor]) -> dict[str, int]:
    """A vision transformer's, as an option: it has a vector for each of the patches that it sees of a picture."""
    places, patch = state.get("encoder.pos_embedding"), state.get("conv_proj.weight")
    if places is None or patch is None:
        return {}
    return {"image_size": math.isqrt(places.shape[1] - 1) * patch.shape[-1]}


def _other_outputs(net: nn.Module, state: dict[str, Tensor]) -> int | None:
    """How many outputs the last layer of the state dict has, when that is another number than the network's."""
    name, layer = last_layer(net)
    weight = state.get(f"{name}.weight")
    if weight is None or weight.shape == layer.weight.shape or weight.shape[1:] != layer.weight.shape[1:]:
        return None
    return weight.shape[0]


def _load(net: nn.Module, state: dict[str, Tensor], origin: str) -> None:
    """Raises NetworkError that names the tensors which don't fit."""
    own = net.state_dict()
    fitting = OrderedDict()
    fitting._metadata = getattr(state, "_metadata", own._metadata)  # versions, by which layers rename old tensors
    shapes = []
    for key, value in state.items():
        name = re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key)  # as the published DenseNets have it
        if name in own and own[name].shape != value.shape:
            shapes.append(f"{name} is {tuple(value.shape)} and should be {tuple(own[name].shape)}")
        elif not name.startswith(AUXILIARY):
            fitting[name] = value
    try:
        result = net.load_state_dict(fitting, strict=False)
    except (RuntimeError, ValueError) as error:  # of layers that rename old tensors
        raise NetworkError(f"{origin}: the weights don't fit this network ({str(error).splitlines()[-1]}).") from error
    wrong = {text.split()[0] for text in shapes}
    # BatchNorm's step counter is absent in old checkpoints and no part of what a network computes.
    missing = [key for key in result.missing_keys if key not in wrong and not key.endswith("num_batches_tracked")]
    faults = {"missing": missing, "unknown": result.unexpected_keys, "of another shape": shapes}
    if any(faults.values()):
        words = [
            f"{len(found)} {kind} ({', '.join(found[:SHOWN])}{', …' if len(found) > SHOWN else ''})"
            for kind, found in faults.items()
            if found
        ]
        raise NetworkError(f"{origin}: the weights don't fit this network: tensors {'; '.join(words)}.")


def prepared_for(entry: WeightsEnum) -> Preprocess:
    """What the pictures of one entry of torchvision's registry go through."""
    preset = entry.transforms()
    return Preprocess(
        preset.crop_size[0],
        preset.mean,
        preset.std,
        resize=preset.resize_size[0],
        interpolation=preset.interpolation.value,
    )


def _preset(net: nn.Module, registry: dict[str, WeightsEnum], origin: str) -> Preprocess:
    """As the weights' own transforms say; for other weights, as those of the default ones."""
    found = [entry for entry in registry.values() if str(entry) == origin]
    preprocess = prepared_for(found[0] if found else registry["DEFAULT"])
    size = getattr(net, "image_size", preprocess.size)
    if size == preprocess.size:
        return preprocess
    interpolation = preprocess.interpolation.value  # a vision transformer takes one size only
    return Preprocess(size, preprocess.mean, preprocess.std, interpolation=interpolation)


def last_layer(net: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """Name and module of the layer that gives the outputs."""
    name, layer = last_linear(net)
    return (name, layer) if layer is not None else (SQUEEZED, net.get_submodule(SQUEEZED))


def outputs(net: nn.Module) -> int:
    """How many there are."""
    return last_layer(net)[1].weight.shape[0]


def last_linear(net: nn.Module) -> tuple[str, nn.Linear | None]:
    """Name and module; None for SqueezeNet, which ends in a convolution."""
    layers = [(name, module) for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    return layers[-1] if layers else ("", None)
