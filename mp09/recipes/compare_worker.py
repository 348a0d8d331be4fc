"""Measures one model of a comparison, in a process of its own."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mp09.compare import measure
from mp09.compare.memory import PeakMemory, freed_at_once
from mp09.compare.serve import ModelRequest
from mp09.device import choose_device
from mp09.errors import Mp09Warning
from mp09.inference.predictor import TOP
from mp09.nets.published import published
from mp09.nets.state_dicts import outputs
from mp09.nets.wnids import WNIDS
from mp09.recipes.labelled import open_labelled

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
RATE_S = 0.5  # seconds in each turn for measuring images a second; one batch is the least
Guesses = list[list[tuple[int, float]]]  # for each image, its likeliest outputs with their probabilities


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
        note: What is to be told of the weights, such as what they were taken out of; "" where there is nothing.
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
    note: str = ""


@dataclass(frozen=True)
class Guessed:
    """Holds what a model says of every image: its likeliest outputs with their probabilities, the likeliest first."""

    guesses: Guesses


@dataclass(frozen=True)
class Timed:
    """Holds what one turn measures: the milliseconds of each pass at batch 1, and images a second."""

    latency_ms: Sequence[float]
    rate: float


@dataclass(frozen=True)
class Load(ModelRequest[Facts]):
    """Asks to load a model, which comes before all other requests.

    Attributes:
        model, weights: As `published` takes them.
        device: As `choose_device` takes it.
        precision: A name in DTYPES.
        batch: Images in a batch.
    """

    model: str
    weights: str
    device: str
    precision: str
    batch: int

    answer = Facts


@dataclass(frozen=True)
class Classify(ModelRequest[Guessed]):
    """Asks to classify images. `images` and `samples` are as `open_labelled` takes them."""

    images: str
    samples: int | None

    answer = Guessed


@dataclass(frozen=True)
class Time(ModelRequest[Timed]):
    """Asks for one turn with this number of passes at batch 1."""

    runs: int

    answer = Timed


class Served:
    """Answers the requests of a comparison."""

    requests = (Load, Classify, Time)

    def __call__(self, request: Load | Classify | Time) -> Facts | Guessed | Timed:
        if isinstance(request, Load):
            return self._load(request)
        if isinstance(request, Classify):
            return self._classify(request)
        return self._time(request)

    def _load(self, request: Load) -> Facts:
        with freed_at_once():
            device, dtype = choose_device(request.device), DTYPES[request.precision]
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always", Mp09Warning)
                facts = self._measure(request.model, request.weights, device, dtype, request.batch)
            notes = [str(one.message) for one in told if issubclass(one.category, Mp09Warning)]
            return replace(facts, note="; ".join(notes))

    def _measure(self, model: str, weights: str, device: torch.device, dtype: torch.dtype, batch: int) -> Facts:
        torch.backends.cudnn.allow_tf32 = False  # otherwise GPUs would round "float32" to 10 bits in convolutions
        measure.first_use(device, dtype)
        memory = PeakMemory(device)
        torch.manual_seed(0)  # for weights "none", which are random
        whole = published(model, weights)
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
    def _classify(self, request: Classify) -> Guessed:
        guesses: Guesses = []
        labelled = open_labelled(request.images, request.samples)
        preprocess = self._preprocess
        for x in labelled.batches(preprocess, self._batch):
            ready = preprocess(x.to(self._device)).to(self._dtype)
            rows = self._net(ready).float().softmax(dim=1)
            values, indices = rows.topk(min(TOP, rows.shape[1]))
            guesses += [list(zip(*row, strict=True)) for row in zip(indices.tolist(), values.tolist(), strict=True)]
        return Guessed(guesses)

    def _time(self, request: Time) -> Timed:
        return Timed(
            measure.latencies_ms(self._net, self._input(1), request.runs),
            measure.rate(self._net, self._input(self._batch), RATE_S),
        )

    def _input(self, count: int) -> Tensor:
        """Return random numbers (count, 3, size, size), which stand for normalised images."""
        size = self._preprocess.size
        return torch.randn(count, 3, size, size, device=self._device, dtype=self._dtype)
