"""One network of a comparison, in the process of its own that measures it."""

from typing import Any

import torch
from torch import Tensor

from mp09.compare import measure
from mp09.compare.memory import PeakMemory, freed_at_once
from mp09.device import choose_device
from mp09.inference.predictor import TOP
from mp09.nets.published import outputs, published
from mp09.nets.wnids import WNIDS
from mp09.recipes.labelled import open_labelled

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
RATE_S = 0.5  # of a round that go into pictures a second, and at least one batch


class Served:
    """Answers a comparison's requests: first load, then classify and time, each with values for JSON."""

    def __call__(self, do: str, **options: Any) -> dict[str, Any]:
        return {"load": self._load, "classify": self._classify, "time": self._time}[do](**options)

    def _load(self, network: str, weights: str, device: str, precision: str, batch: int) -> dict[str, Any]:
        """Load the network, and tell all but its accuracy and time."""
        with freed_at_once():
            return self._measure(network, weights, choose_device(device), DTYPES[precision], batch)

    def _measure(
        self, network: str, weights: str, place: torch.device, dtype: torch.dtype, batch: int
    ) -> dict[str, Any]:
        torch.backends.cudnn.allow_tf32 = False  # or GPUs would round "float32" to 10 bits in convolutions
        measure.first_use(place, dtype)
        memory = PeakMemory(place)
        torch.manual_seed(0)  # of weights "none"
        whole = published(network, weights)
        net = whole.net.eval().requires_grad_(False)
        weights_mib = whole.file.stat().st_size / 2**20 if whole.file else measure.state_mib(net)
        self._net, self._preprocess = net.to(place, dtype), whole.preprocess.to(place)
        self._batch = batch
        memory.restart()
        peaks = []
        for size in (1, batch):
            measure.warm_up(self._net, self._input(size))
            peaks.append(memory.mib())
        named_as_imagenet = len(whole.classes) == len(WNIDS)
        return {
            "weights": whole.weights,
            "weights_mib": weights_mib,
            "weights_in": whole.file.name if whole.file else "state dict",
            "classes": whole.classes,
            "guessed": whole.guessed,
            "wnids": WNIDS if named_as_imagenet else None,
            "outputs": outputs(net),
            "size": whole.preprocess.size,
            "parameters": measure.parameters(net),
            "gmacs": measure.gmacs(net, whole.preprocess.size),
            "memory_mib": peaks[0],
            "batch_memory_mib": peaks[1],
            "memory": memory.words,
            "device": measure.describe(place),
            "precision": str(dtype).removeprefix("torch."),
        }

    @torch.inference_mode()
    def _classify(self, pictures: str, samples: int | None) -> dict[str, Any]:
        """Of every picture the likeliest outputs and their probabilities, the likeliest first."""
        guesses = []
        labelled = open_labelled(pictures, samples)
        preprocess = self._preprocess
        for x in labelled.batches(preprocess, self._batch):
            ready = preprocess(x.to(preprocess.scale.device)).to(self._dtype)
            rows = self._net(ready).float().softmax(dim=1)
            values, indices = rows.topk(min(TOP, rows.shape[1]))
            guesses += [list(zip(*row, strict=True)) for row in zip(indices.tolist(), values.tolist(), strict=True)]
        return {"guesses": guesses}

    def _time(self, runs: int) -> dict[str, Any]:
        """One turn of a round."""
        return {
            "latency_ms": measure.latencies_ms(self._net, self._input(1), runs),
            "rate": measure.rate(self._net, self._input(self._batch), RATE_S),
        }

    @property
    def _dtype(self) -> torch.dtype:
        return next(self._net.parameters()).dtype

    def _input(self, count: int) -> Tensor:
        """Random numbers (count, 3, size, size) in the place of normalised pictures."""
        size = self._preprocess.size
        return torch.randn(count, 3, size, size, device=self._preprocess.scale.device, dtype=self._dtype)
