"""Freezes blocks of a backbone: they get no gradients and stay in eval mode, and only the others learn.

Blocks are frozen from the input on, so nothing below the first block that learns builds a graph.
"""

from torch import nn
from torchvision.models.vision_transformer import Encoder

from mp09.errors import ModelError

CONTAINERS = (nn.Sequential, nn.ModuleList, Encoder)  # these classes themselves; their subclasses are blocks
NORMS = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


def blocks(body: nn.Module) -> list[list[nn.Module]]:
    """Return the blocks of a model in the order of their use, each as a list of modules.

    A normalisation belongs to the layer before it. A module without parameters, such as dropout, belongs to the layer
    after it, and at the end to the last block.
    """
    found: list[list[nn.Module]] = []
    waiting: list[nn.Module] = []
    for module in _parts(body):
        if not any(True for _ in module.parameters()):
            waiting.append(module)
        elif isinstance(module, NORMS) and found:
            found[-1] += [*waiting, module]
            waiting = []
        else:
            found.append([*waiting, module])
            waiting = []
    if found:
        found[-1] += waiting
    return found


def _parts(module: nn.Module) -> list[nn.Module]:
    parts = []
    for child in module.children():
        if type(child) in CONTAINERS:
            parts += _parts(child)
        else:
            parts.append(child)
    return parts


def freeze(body: nn.Module, learn: int | str = 0) -> list[nn.Module]:
    """Freeze a model except for its last blocks.

    Args:
        body: the model.
        learn: how many of the last blocks learn; 0 freezes all, "all" freezes nothing.

    Returns:
        the frozen modules, which the caller keeps in eval mode through `train()`, as `Classifier` does.

    Raises:
        ModelError: there are fewer blocks.
    """
    if learn == "all":
        body.requires_grad_(True)
        return []
    parts = blocks(body)
    if not isinstance(learn, int) or not 0 <= learn <= len(parts):
        raise ModelError(f'blocks that learn: expected 0 to {len(parts)} or "all", got {learn!r}.')
    body.requires_grad_(False)
    for part in parts[len(parts) - learn :]:
        for module in part:
            module.requires_grad_(True)
    if learn == 0:
        return [body]
    return [module for part in parts[: len(parts) - learn] for module in part]
