"""What a network costs: time, arithmetic, parameters, bytes. It is any module that maps float pictures to logits."""

import copy
import platform
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mp09.device import synchronize

WARM_UP = 2  # passes before a timing


@torch.inference_mode()
def latencies_ms(net: nn.Module, x: Tensor, runs: int) -> list[float]:
    """Milliseconds of each of so many passes, from the input on the device to the outputs on it."""
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
    """Pictures a second in batches like `x`, over so many seconds or one batch, whichever is longer."""
    warm_up(net, x, runs=1)
    started, done = time.perf_counter(), 0
    while done == 0 or time.perf_counter() - started < seconds:
        net(x)
        synchronize(x.device)
        done += len(x)
    return done / (time.perf_counter() - started)


@torch.inference_mode()
def warm_up(net: nn.Module, x: Tensor, runs: int = WARM_UP) -> None:
    """The first passes plan, allocate and wake up threads."""
    for _ in range(runs):
        net(x)
    synchronize(x.device)


def first_use(device: torch.device, dtype: torch.dtype) -> None:
    """Have PyTorch load and plan what any network needs, so that it is not counted as this one's memory."""
    layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 8)).eval().to(device, dtype)
    warm_up(net, torch.zeros(2, 3, 64, 64, device=device, dtype=dtype))


def gmacs(net: nn.Module, size: int) -> float:
    """Multiplications and additions of convolutions and matrix products for one picture (3, size, size), 1e9.

    Counted on a copy that has shapes and no numbers. torchvision publishes the same under the name GFLOPS.
    """
    shapes = copy.deepcopy(net).to("meta", torch.float32).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shapes(torch.empty(1, 3, size, size, device="meta"))
    return counter.get_total_flops() / 2e9


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def state_mib(net: nn.Module) -> float:
    """Of all its tensors that a file of weights would hold."""
    return sum(value.numel() * value.element_size() for value in net.state_dict().values()) / 2**20


def describe(device: torch.device) -> str:
    """The device in words: its name, and how many threads a processor uses."""
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
