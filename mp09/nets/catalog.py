"""What is published of the networks that `published` loads: figures, preprocessing, blocks, methods. Fetches nothing.

torchvision's figures are those of its registry; its accuracies were measured on ImageNet-1K's validation pictures.
"""

import inspect
import re
from dataclasses import dataclass

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision.models import WeightsEnum

from mp09.nets.preprocess import Preprocess
from mp09.nets.published import OUR_PREPROCESS, OURS, check_name, make, names, prepared_for, registered


@dataclass(frozen=True)
class Figures:
    """What is published of one set of weights.

    weights: which ones, in words
    on: the pictures of top1 and top5
    top1, top5: shares of them that were named rightly, percent; None where not published
    outputs, parameters: how many
    size: of its input, pixels
    gmacs: multiplications and additions for one picture, 1e9; torchvision calls them GFLOPS
    file_mib: size of the file
    """

    weights: str
    on: str
    top1: float
    top5: float | None
    outputs: int
    size: int
    parameters: int
    gmacs: float
    file_mib: float


OUR_FIGURES = Figures(
    "resnet18.pt", "CIFAR-10 (JPEG), ten classes", 88.7, None, 10, OUR_PREPROCESS["size"], 11_173_962, 0.140, 21.4
)


@dataclass(frozen=True)
class Entry:
    """One set of weights: the name to ask for it by, its figures, and what pictures go through."""

    key: str
    is_default: bool
    figures: Figures
    preprocess: Preprocess


@dataclass(frozen=True)
class Details:
    """A network from outside.

    blocks: its parts in order, (name, class, parameters)
    methods: those of its own, with their arguments
    load: lines of Python that give the network
    """

    name: str
    entries: tuple[Entry, ...]
    blocks: tuple[tuple[str, str, int], ...]
    methods: tuple[str, ...]
    load: tuple[str, ...]


def figures(name: str, weights: str = "default") -> Figures:
    """Of weights by their key, else of the default ones. Raises NetworkError for an unknown network."""
    found = {entry.key: entry for entry in entries(name)}
    usual = next(entry for entry in found.values() if entry.is_default)
    return found.get(weights, usual).figures


def listing(part: str = "") -> dict[str, Figures]:
    """The networks whose names contain `part`, with the figures of their default weights."""
    return {name: figures(name) for name in names() if part.lower() in name}


def entries(name: str) -> tuple[Entry, ...]:
    """All weights of a network. Raises NetworkError for an unknown one."""
    check_name(name)
    if name == OURS:
        return (Entry("default", True, OUR_FIGURES, Preprocess(**OUR_PREPROCESS)),)
    found = registered(name)
    usual = found.pop("DEFAULT")
    return tuple(Entry(key, one == usual, _figures(one), prepared_for(one)) for key, one in found.items())


def details(name: str) -> Details:
    """Look into a network. It is built without memory for its weights. Raises NetworkError for an unknown one."""
    found = entries(name)
    with _WithoutMemory():
        net = make(name)
    blocks = [(part, type(own).__name__, own.numel()) for part, own in net.named_parameters(recurse=False)]
    blocks += [(part, type(block).__name__, count(block)) for part, block in net.named_children()]
    return Details(name, found, tuple(blocks), _methods(type(net)), _load(name))


def count(net: nn.Module) -> int:
    """Its parameters."""
    return sum(parameter.numel() for parameter in net.parameters())


class _WithoutMemory(TorchFunctionMode):
    """Layers allocate their weights with `torch.empty`: here that gives tensors that have a shape only.

    (All of a network on the device "meta" fails where it calculates with small tensors first, as RegNet does.)
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        return function(*args, **(kwargs | {"device": "meta"} if function is torch.empty else kwargs))


def _figures(entry: WeightsEnum) -> Figures:
    meta = entry.meta
    ((on, scores),) = meta["_metrics"].items()
    return Figures(
        str(entry),
        on,
        scores["acc@1"],
        scores["acc@5"],
        len(meta["categories"]),
        prepared_for(entry).size,
        meta["num_params"],
        meta["_ops"],
        meta["_file_size"],
    )


def _methods(kind: type) -> tuple[str, ...]:
    """Public methods that a network has besides those of every `nn.Module`, as "forward(x: Tensor) -> Tensor"."""
    found = {}
    for parent in reversed(kind.__mro__[: kind.__mro__.index(nn.Module)]):
        found |= {name: value for name, value in vars(parent).items() if inspect.isfunction(value)}
    return tuple(f"{name}{_signature(value)}" for name, value in found.items() if not name.startswith("_"))


def _signature(function) -> str:
    """Without `self`, and names of types without their modules."""
    return re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", str(inspect.signature(function))).replace("(self, ", "(")


def _load(name: str) -> tuple[str, ...]:
    if name == OURS:
        return (
            "from models import resnet18; net = resnet18(pretrained=True)",
            'torch.hub.load(".", "resnet18", source="local", pretrained=True)  # "." is the repository\'s folder',
        )
    return (
        f'torchvision.models.get_model("{name}", weights="DEFAULT")',
        f'torch.hub.load("pytorch/vision", "{name}", weights="DEFAULT")',
    )
