"""Reads state dicts, and loads them into models that they fit.

Tensors of auxiliary heads, which are for training from scratch, are left out.
"""

import math
import pickle
import re
import warnings
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from mp09.errors import ModelError, Mp09Warning

AUXILIARY = ("AuxLogits", "aux1", "aux2")
# Training scripts save the state dict under one of these keys; of several the first is taken.
WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "ema",
    "model_ema",
    "state_dict_ema",
)
DEPTH = 3  # dicts in one another that are looked into
SHOWN = 5  # names in an error message at most


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict from a .safetensors file, or from a checkpoint of PyTorch that holds plain values only.

    The state dict may lie under one of WRAPPERS, and its names may share prefixes, which are taken away; Mp09Warning
    tells of both.

    Raises:
        ModelError: the file can't be read or holds something else.
    """
    path = Path(path)
    content = _read(path)
    keys, state = _unwrapped(content, DEPTH) or ([], None)
    if state is None:
        raise ModelError(f"{path}: expected a state dict (names of tensors), got {_described(content)}.")
    words = [f"those under {key!r}" for key in keys]
    if prefix := _strip_prefixes(state):
        words.append(f"without the prefix {prefix!r}")
    if words:
        warnings.warn(f"{path}: the weights are taken {', '.join(words)}", Mp09Warning, stacklevel=2)
    return state


def _unwrapped(found: object, depth: int) -> tuple[list[str], dict[str, Tensor]] | None:
    """Return the state dict in a value, and the keys of WRAPPERS that lead to it; None when there is none."""
    if not isinstance(found, dict):
        return None
    if _holds_tensors(found):
        return [], found
    for key in WRAPPERS if depth else ():
        if inner := _unwrapped(found.get(key), depth - 1):
            return [key, *inner[0]], inner[1]
    return None


def _read(path: Path) -> object:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
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


def _holds_tensors(found: object) -> bool:
    if not isinstance(found, dict) or not found:
        return False
    return all(isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items())


def _described(found: object) -> str:
    """Say what a file holds instead of a state dict, and under which keys there are tensors."""
    if not isinstance(found, dict):
        return type(found).__name__
    keys = _keys_of_tensors(found, DEPTH)
    shown = ", ".join(keys[:SHOWN]) + (", …" if len(keys) > SHOWN else "")
    return f"a dict whose tensors are under {shown}" if keys else "a dict without tensors"


def _keys_of_tensors(found: dict[object, object], depth: int) -> list[str]:
    """Return keys under which there are tensors or state dicts, such as "'checkpoint', 'model'" with a space."""
    keys = []
    for key, value in found.items():
        if isinstance(value, Tensor) or _holds_tensors(value):
            keys.append(repr(key))
        elif isinstance(value, dict) and depth:
            keys += [f"{key!r} {inner}" for inner in _keys_of_tensors(value, depth - 1)]
    return keys


def _strip_prefixes(state: dict[str, Tensor]) -> str:
    """Take away, one after the other, the prefixes that all names share, and return them in one text.

    DistributedDataParallel, torch.compile and models around a model put them there.
    """
    stripped = ""
    state.pop("n_averaged", None)  # AveragedModel counts in it
    while len(state) > 1:
        firsts = {name.partition(".")[0] for name in state}
        if len(firsts) > 1 or firsts & state.keys():
            break
        prefix = f"{firsts.pop()}."
        consume_prefix_in_state_dict_if_present(state, prefix)
        stripped += prefix
    return stripped


def image_size(state: dict[str, Tensor]) -> int | None:
    """Return a vision transformer's image size, as its weights hold a vector for each patch; None for other models."""
    places, patch = state.get("encoder.pos_embedding"), state.get("conv_proj.weight")
    if places is None or patch is None:
        return None
    return math.isqrt(places.shape[1] - 1) * patch.shape[-1]


def other_outputs(net: nn.Module, state: dict[str, Tensor]) -> int | None:
    """Return how many outputs a state dict has, or None when the model has as many or this can't be told."""
    name, layer = last_layer(net)
    weight = state.get(f"{name}.weight")
    if weight is None or weight.shape == layer.weight.shape or weight.shape[1:] != layer.weight.shape[1:]:
        return None
    return weight.shape[0]


def load_state(net: nn.Module, state: dict[str, Tensor], origin: str) -> None:
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
