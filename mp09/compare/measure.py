"""Measures what a model costs: time, arithmetic, parameters and bytes.

Here a model is any nn.Module that maps float images (N, 3, size, size) to logits.
"""

import copy
import platform
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mp09.device import synchronize

WARM_UP = 2  # passes before a timing begins


@torch.inference_mode()
def latencies_ms(net: nn.Module, x: Tensor, runs: int) -> list[float]:
    """Return the milliseconds of each of `runs` passes, from the input on the device to the outputs on it."""
    warm_up(net, x)
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        net(x)
        synchronize(x.device)
        times.append(1000 * (time.perf_counter() - started))
    return times


@torch.inference_mode()
def rate(net: nn.Module, x: Tensor, seconds: float) -> float:
    """Return images a second in batches like `x`, over these seconds or one batch, whichever is longer."""
    warm_up(net, x, runs=1)
    started, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - started < seconds:
        net(x)
        synchronize(x.device)
        done += len(x)
    return done / (time.perf_counter() - started)


@torch.inference_mode()
def warm_up(net: nn.Module, x: Tensor, runs: int = WARM_UP) -> None:
    """Run the model without timing it, as the first passes plan, allocate memory and wake up threads."""
    for _ in range(runs):
        net(x)
    synchronize(x.device)


def first_use(device: torch.device, dtype: torch.dtype) -> None:
    """Have PyTorch load and plan what any model needs, so that this does not count as the memory of one model."""
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 8)).eval().to(device, dtype)
    warm_up(net, torch.zeros(2, 3, 64, 64, device=device, dtype=dtype))


def gmacs(net: nn.Module, size: int) -> float:
    """Count the multiplications with additions that convolutions and matrix products need for one image, in 1e9.

    The image is (3, size, size), and the count is made on a copy of the model that has shapes and no numbers.
    torchvision publishes the same number under the name GFLOPS.
    """
    shapes = copy.deepcopy(net).to("meta", torch.float32).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shapes(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() / 2e9


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def state_mib(net: nn.Module) -> float:
    """Return the MiB of all tensors that a checkpoint of the model would hold."""
    return sum(value.numel() * value.element_size() for value in net.state_dict().values()) / 2**20


def describe(device: torch.device) -> str:
    """Return the device in words: its name, and for a processor how many threads PyTorch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return f"{device.type}, {platform.machine()}"
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
