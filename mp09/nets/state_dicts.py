"""Reads state dicts, and loads them into models that they fit.

Tensors of auxiliary heads, which are for training from scratch, are left out.
"""

import math
import pickle
import re
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.utils import consume_prefix_in_state_dict_if_present

from mp09.errors import ModelError

AUXILIARY = ("AuxLogits", "aux1", "aux2")
SHOWN = 5  # names in an error message at most


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
