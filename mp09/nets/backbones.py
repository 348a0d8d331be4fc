"""Published networks, cut into a backbone (pictures -> features) and a head (features -> logits).

    backbone("resnet18-32")                        # the course's network for 32x32 pictures, with its resnet18.pt
    backbone("alexnet", weights="IMAGENET1K_V1")   # any classification network of torchvision
    backbone("densenet121", weights="mine.pt")     # a state dict of one's own; its number of classes may differ

Does not cover: detection, segmentation and video networks.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models as zoo

from models import CHECKPOINT, ResNet
from mp09.errors import NetworkError
from mp09.nets.preprocess import Preprocess

OURS = "resnet18-32"
OUR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
OUR_PREPROCESS = {"size": 32, "mean": (0.4914, 0.4822, 0.4465), "std": (0.247, 0.243, 0.261)}
WITH_AUXILIARY = ("googlenet", "inception_v3")  # heads for training from scratch only
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Backbone:
    """A network in two parts, and what it expects.

    body: float (N, 3, size, size) -> features (N, width)
    head: features -> logits (N, classes); None where the published head is not one linear layer
    classes: names of the head's outputs; empty when they are not known
    weights: which ones, in words
    """

    name: str
    body: nn.Module
    head: nn.Linear | None
    width: int
    preprocess: Preprocess
    classes: tuple[str, ...]
    weights: str


def names() -> list[str]:
    """All networks that `backbone` knows."""
    return [OURS, *zoo.list_models(module=zoo)]


def backbone(name: str, weights: str | Path = "default") -> Backbone:
    """Build a network and cut it before its last linear layer.

    Args:
        name: one of `names()`.
        weights: "default" (the best published ones), a name of torchvision's registry, "none" (random numbers), or
            the path of a state dict (.pt, .pth, .safetensors).

    Raises:
        NetworkError: no such network or weights, weights that don't fit, a download that fails.
    """
    if name not in names():
        raise NetworkError(f"{name}: no such network. {_did_you_mean(name, names())}")
    published = None if name == OURS else zoo.get_model_weights(name)
    state, origin, classes = _weights(name, weights, published)
    make = ResNet if name == OURS else _maker(name)
    preprocess = Preprocess(**OUR_PREPROCESS) if name == OURS else _preset(published, origin)
    try:
        net = make()
        if state is not None:
            if outputs := _other_outputs(net, state):
                net = make(num_classes=outputs)
            _load(net, state, origin)
    except RuntimeError as error:  # such as sizes that no layer accepts
        raise NetworkError(f"{origin}: the weights don't fit {name}: {error}") from error
    body, head, width = _cut(net)
    if head is not None and len(classes) != head.out_features:
        classes = ()
    return Backbone(name, body, head, width, preprocess, classes, origin)


def _did_you_mean(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"Did you mean {' or '.join(near)}?" if near else f"Known: {', '.join(known[:SHOWN])}, …"


def _maker(name: str) -> Callable[..., nn.Module]:
    extra = {"aux_logits": False, "init_weights": False} if name in WITH_AUXILIARY else {}
    return lambda **outputs: zoo.get_model(name, weights=None, **extra, **outputs)


def _weights(name: str, weights: str | Path, published) -> tuple[dict | None, str, tuple[str, ...]]:
    """(state dict, which in words, class names)."""
    if str(weights) == "none":
        return None, "none", ()
    if name == OURS and str(weights) == "default":
        return read_state(CHECKPOINT), CHECKPOINT.name, OUR_CLASSES
    registry = {} if published is None else dict(published.__members__)
    if str(weights) == "default" or str(weights) in registry:
        chosen = published.DEFAULT if str(weights) == "default" else registry[str(weights)]
        try:
            state = chosen.get_state_dict(progress=False, check_hash=True, map_location="cpu")
        except (OSError, URLError, RuntimeError) as error:  # RuntimeError: the checksum differs
            raise NetworkError(
                f"{chosen}: could not be fetched from {chosen.url} ({error}). Fetch that file elsewhere and give its "
                'path as weights, or use weights "none".'
            ) from error
        return state, str(chosen), tuple(chosen.meta["categories"])
    path = Path(weights)
    if path.suffix or path.exists():
        return read_state(path), path.name, ()
    raise NetworkError(f"{weights}: no such weights. {_did_you_mean(str(weights), [*registry, 'default', 'none'])}")


def read_state(path: Path) -> dict[str, Tensor]:
    """A state dict from a .safetensors file, or one of PyTorch's that holds tensors only.

    Raises NetworkError when it can't be read or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises almost anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetworkError(f"{path}: could not be read as weights: {reason}") from error
    for wrapper in ("state_dict", "model"):  # as training scripts save it
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise NetworkError(f"{path}: expected a state dict (names of tensors), got {type(state).__name__}.")
    return {key.removeprefix("module."): value for key, value in state.items()}  # DistributedDataParallel's prefix


def _other_outputs(net: nn.Module, state: dict[str, Tensor]) -> int | None:
    """How many outputs the last layer of the state dict has, when that is another number than the network's."""
    name, layer = _last_linear(net)
    weight = state.get(f"{name}.weight")
    if layer is None or weight is None or weight.ndim != 2 or weight.shape == layer.weight.shape:
        return None
    return weight.shape[0]


def _load(net: nn.Module, state: dict[str, Tensor], origin: str) -> None:
    """Raises NetworkError that names the tensors which don't fit."""
    own = net.state_dict()
    auxiliary = ("AuxLogits.", "aux1.", "aux2.")
    state = {key: value for key, value in state.items() if not key.startswith(auxiliary)}
    # BatchNorm's step counter is absent in old checkpoints and no part of what a network computes.
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in own]
    shapes = [
        f"{key} is {tuple(state[key].shape)} and should be {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    faults = {"missing": missing, "unknown": unknown, "of another shape": shapes}
    if any(faults.values()):
        words = [
            f"{len(found)} {kind} ({', '.join(found[:SHOWN])}{', …' if len(found) > SHOWN else ''})"
            for kind, found in faults.items()
            if found
        ]
        raise NetworkError(f"{origin}: the weights don't fit this network: tensors {'; '.join(words)}.")
    net.load_state_dict(state, strict=False)


def _preset(published, origin: str) -> Preprocess:
    """As the weights' own transforms say; for other weights, as those of the default ones."""
    found = [entry for entry in published if str(entry) == origin]
    preset = (found[0] if found else published.DEFAULT).transforms()
    return Preprocess(
        preset.crop_size[0],
        preset.mean,
        preset.std,
        resize=preset.resize_size[0],
        interpolation=preset.interpolation.value,
    )


def _last_linear(net: nn.Module) -> tuple[str, nn.Linear | None]:
    layers = [(name, module) for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    return layers[-1] if layers else ("", None)


def _cut(net: nn.Module) -> tuple[nn.Module, nn.Linear | None, int]:
    """(body, head, width): the last linear layer is the head, and the body passes on what it was given."""
    name, head = _last_linear(net)
    if head is None:  # SqueezeNet ends in a convolution to class maps and their average: features are averaged instead
        convolution = net.classifier[1]
        net.classifier[1] = nn.Identity()
        return net, None, convolution.in_channels
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, nn.Identity())
    return net, head, head.in_features
