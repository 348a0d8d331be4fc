"""Measures one model of a comparison, in a process of its own."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from mp09.compare import measure
from mp09.compare.memory import PeakMemory, freed_at_once
from mp09.device import choose_device
from mp09.inference.predictor import TOP
from mp09.nets.published import published
from mp09.nets.state_dicts import outputs
from mp09.nets.wnids import WNIDS
from mp09.recipes.labelled import open_labelled

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
RATE_S = 0.5  # seconds in each turn for measuring images a second; one batch is the least


@dataclass(frozen=True)
class Facts:
    """Holds all that is told of a model except for accuracy and time.

    Attributes:
        weights, weights_mib, weights_in, outputs, size, parameters, gmacs, memory_mib, batch_memory_mib: As in `Row`.
        classes, guessed: As in `Published`.
        wnids: The WordNet numbers of the classes; None where they are not ImageNet's thousand.
        memory: What the peaks of memory are, in words.
        device: The device in words.
        precision: The number type that the model computes in.
    """

    weights: str
    weights_mib: float
    weights_in: str
    classes: Sequence[str]
    guessed: bool
    wnids: Sequence[str] | None
    outputs: int
    size: int
    parameters: int
    gmacs: float
    memory_mib: float | None
    batch_memory_mib: float | None
    memory: str
    device: str
    precision: str


class Served:
    """Answers the requests of a comparison with values for JSON. "load" comes first, then "classify" and "time"."""

    def __call__(self, do: str, **options: Any) -> dict[str, Any]:
        answers: dict[str, Callable[..., dict[str, Any]]] = {
            "load": self._load,
            "classify": self._classify,
            "time": self._time,
        }
        return answers[do](**options)

    def _load(self, network: str, weights: str, device: str, precision: str, batch: int) -> dict[str, Any]:
        """Load the model, and return its `Facts`."""
        with freed_at_once():
            return asdict(self._measure(network, weights, choose_device(device), DTYPES[precision], batch))

    def _measure(self, network: str, weights: str, device: torch.device, dtype: torch.dtype, batch: int) -> Facts:
        torch.backends.cudnn.allow_tf32 = False  # otherwise GPUs would round "float32" to 10 bits in convolutions
        measure.first_use(device, dtype)
        memory = PeakMemory(device)
        torch.manual_seed(0)  # for weights "none", which are random
        whole = published(network, weights)
        net = whole.net.eval().requires_grad_(False)
        weights_mib = whole.file.stat().st_size / 2**20 if whole.file else measure.state_mib(net)
        self._net, self._preprocess = net.to(device, dtype), whole.preprocess.to(device)
        self._device, self._dtype, self._batch = device, dtype, batch
        memory.restart()
        peaks = []
        for size in (1, batch):
            measure.warm_up(self._net, self._input(size))
            peaks.append(memory.mib())
        named_as_imagenet = len(whole.classes) == len(WNIDS)
        return Facts(
            weights=whole.weights,
            weights_mib=weights_mib,
            weights_in=whole.file.name if whole.file else "state dict",
            classes=whole.classes,
            guessed=whole.guessed,
            wnids=WNIDS if named_as_imagenet else None,
            outputs=outputs(net),
            size=whole.preprocess.size,
            parameters=measure.parameters(net),
            gmacs=measure.gmacs(net, whole.preprocess.size),
            memory_mib=peaks[0],
            batch_memory_mib=peaks[1],
            memory=memory.words,
            device=measure.describe(device),
            precision=str(dtype).removeprefix("torch."),
        )

    @torch.inference_mode()
    def _classify(self, images: str, samples: int | None) -> dict[str, Any]:
        """Return the likeliest outputs of every image with their probabilities, the likeliest first."""
        guesses = []
        labelled = open_labelled(images, samples)
        preprocess = self._preprocess
        for x in labelled.batches(preprocess, self._batch):
            ready = preprocess(x.to(self._device)).to(self._dtype)
            rows = self._net(ready).float().softmax(dim=1)
            values, indices = rows.topk(min(TOP, rows.shape[1]))
            guesses += [list(zip(*row, strict=True)) for row in zip(indices.tolist(), values.tolist(), strict=True)]
        return {"guesses": guesses}

    def _time(self, runs: int) -> dict[str, Any]:
        """Return what one turn measures: the latency of each pass at batch 1, and images a second."""
        return {
            "latency_ms": measure.latencies_ms(self._net, self._input(1), runs),
            "rate": measure.rate(self._net, self._input(self._batch), RATE_S),
        }

    def _input(self, count: int) -> Tensor:
        """Return random numbers (count, 3, size, size), which stand for normalised images."""
        size = self._preprocess.size
        return torch.randn(count, 3, size, size, device=self._device, dtype=self._dtype)
