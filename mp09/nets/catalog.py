"""Tells what is published of the models that `published` loads: figures, preprocessing, blocks and methods.

Nothing is downloaded for that. The figures of torchvision's models are those in its registry, and their accuracies were
measured on ImageNet-1K's validation split.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision.models import WeightsEnum

from mp09.nets.ours import OUR_SIZE, OURS
from mp09.nets.preprocess import Preprocess
from mp09.nets.published import check_name, make, names, our_preprocess, prepared_for, registered


@dataclass(frozen=True)
class Figures:
    """Figures are what is published of one set of weights.

    Attributes:
        weights: the name of the weights, e.g. "AlexNet_Weights.IMAGENET1K_V1".
        on: the images on which top1 and top5 were measured.
        top1, top5: accuracies in percent; top5 is None where it is not published.
        outputs, parameters: how many the model has.
        size: the side of the model's input, in pixels.
        gmacs: multiplications with additions for one image, in 1e9; torchvision calls them GFLOPS.
        file_mib: the size of the checkpoint, in MiB.
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


OUR_FIGURES = Figures("resnet18.pt", "CIFAR-10 (JPEG), ten classes", 88.7, None, 10, OUR_SIZE, 11_173_962, 0.140, 21.4)


@dataclass(frozen=True)
class CatalogEntry:
    """An entry is one set of weights: the key to ask for it by, its figures, and what images go through."""

    key: str
    is_default: bool
    figures: Figures
    preprocess: Preprocess


@dataclass(frozen=True)
class Details:
    """Details are what one can see of a model from outside.

    Attributes:
        name: the model's name.
        entries: its sets of weights.
        blocks: its parts in order, each (name, class, number of parameters).
        methods: the methods that it adds to nn.Module, with their arguments.
        load: lines of Python, each of which loads the model.
    """

    name: str
    entries: tuple[CatalogEntry, ...]
    blocks: tuple[tuple[str, str, int], ...]
    methods: tuple[str, ...]
    load: tuple[str, ...]


def figures(name: str, weights: str = "default") -> Figures:
    """Return the figures of weights by their key; an unknown key means the default ones. Raises as `entries` does."""
    found = {entry.key: entry for entry in entries(name)}
    usual = next(entry for entry in found.values() if entry.is_default)
    return found.get(weights, usual).figures


def listing(part: str = "") -> dict[str, Figures]:
    """Return the models whose names contain `part`, in either case, with the figures of their default weights."""
    return {name: figures(name) for name in names() if part.lower() in name}


def entries(name: str) -> tuple[CatalogEntry, ...]:
    """Return all sets of weights of a model. Raises ModelError when there is no such model."""
    check_name(name)
    if name == OURS:
        return (CatalogEntry("default", True, OUR_FIGURES, our_preprocess()),)
    found = registered(name)
    usual = found.pop("DEFAULT")
    return tuple(CatalogEntry(key, one == usual, _figures(one), prepared_for(one)) for key, one in found.items())


def details(name: str) -> Details:
    """Look into a model, built without memory for its weights. Raises ModelError when there is no such model."""
    found = entries(name)
    with _WithoutMemory():
        net = make(name)
    blocks = [(part, type(own).__name__, own.numel()) for part, own in net.named_parameters(recurse=False)]
    blocks += [(part, type(block).__name__, count(block)) for part, block in net.named_children()]
    return Details(name, found, tuple(blocks), _methods(type(net)), _load(name))


def count(net: nn.Module) -> int:
    """Count the parameters of a model."""
    return sum(parameter.numel() for parameter in net.parameters())


class _WithoutMemory(TorchFunctionMode):
    """Within the `with` block, `torch.empty` gives tensors that have a shape and no memory.

    Layers allocate their weights with it. Building the whole model on the device "meta" would fail for models such as
    RegNet, which calculate with small tensors while they are built.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
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
    """Return the public methods that a class adds to nn.Module, such as "forward(x: Tensor) -> Tensor"."""
    found: dict[str, Callable[..., Any]] = {}
    for parent in reversed(kind.__mro__[: kind.__mro__.index(nn.Module)]):
        found |= {name: value for name, value in vars(parent).items() if inspect.isfunction(value)}
    return tuple(f"{name}{_signature(value)}" for name, value in found.items() if not name.startswith("_"))


def _signature(function: Callable[..., Any]) -> str:
    """Return the signature without `self`, and with the names of types without their modules."""
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
