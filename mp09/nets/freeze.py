"""Freezing: which blocks of a backbone learn. The frozen ones get no gradients and stay in eval mode.

Blocks are frozen from the input on, so nothing below the first one that learns builds a graph.
"""

from torch import nn
from torchvision.models.vision_transformer import Encoder

from mp09.errors import NetworkError

CONTAINERS = (nn.Sequential, nn.ModuleList, Encoder)  # exactly these: their subclasses are blocks
NORMS = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)


def blocks(body: nn.Module) -> list[list[nn.Module]]:
    """The parts of a network in the order of their use.

    A normalisation belongs to the layer before it; what has no parameters, such as dropout, to the one after it.
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
    """Freeze a network but for its last `learn` blocks (0: all frozen; "all": nothing frozen); give the frozen parts.

    The caller keeps these in eval mode through `.train()`, as `Classifier` does.
    Raises NetworkError when there are fewer blocks.
    """
    if learn == "all":
        body.requires_grad_(True)
        return []
    parts = blocks(body)
    if not isinstance(learn, int) or not 0 <= learn <= len(parts):
        raise NetworkError(f'blocks that learn: expected 0 to {len(parts)} or "all", got {learn!r}.')
    body.requires_grad_(False)
    for part in parts[len(parts) - learn :]:
        for module in part:
            module.requires_grad_(True)
    if learn == 0:
        return [body]
    return [module for part in parts[: len(parts) - learn] for module in part]
