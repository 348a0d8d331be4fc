"""Where and how to compute: the device, its fast arithmetic, seeds; importing this takes denormal numbers for zero."""

import random
import time
from functools import cache

import numpy as np
import torch
from torch import nn

from mp09.errors import DeviceError

TRIALS = 5
FASTER = 1.2  # bfloat16 is coarser: it has to pay

# Numbers below 1e-38 count as zero: arithmetic on them made a training step 7 times slower, and costs no accuracy.
# On import, as PyTorch's threads take this over when they are started, at the first large computation, and never later.
torch.set_flush_denormal(True)


def choose_device(name: str = "auto") -> torch.device:
    """The device called `name` ("cpu", "cuda", "cuda:1", "mps"), or with "auto" the fastest one there is.

    Raises DeviceError when it is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"device: expected auto, cpu, cuda, cuda:N or mps, got {name!r}.") from error
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(_has_mps())}.get(device.type, 0)
    if (device.index or 0) >= there:
        raise DeviceError(f"{name}: PyTorch finds no such device here. Check the driver, or use --device cpu.")
    return device


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


@cache
def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where a convolution is faster in it, else float32. Found by trying, in a fraction of a second, once."""
    if device.type == "mps":
        return torch.float32
    single = _seconds(device, torch.float32)
    return torch.bfloat16 if single / _seconds(device, torch.bfloat16) >= FASTER else torch.float32


def int8_is_faster(device: torch.device) -> bool:
    """Whether the processor multiplies 8-bit whole numbers several times as fast as what `fast_dtype` says."""
    able = torch.cpu.get_capabilities()
    has_vnni = any(able.get(name) for name in ("avx512_vnni", "avx_vnni"))
    return device.type == "cpu" and has_vnni and fast_dtype(device) == torch.float32


@torch.inference_mode()
def _seconds(device: torch.device, dtype: torch.dtype) -> float:
    """The least time of a 3x3 convolution of pictures (128, 16, 16), so many that a GPU is kept busy too."""
    layer = nn.Conv2d(128, 128, 3, padding=1).to(device, dtype, memory_format=torch.channels_last)
    count = 64 if device.type == "cpu" else 1024
    x = torch.ones(count, 128, 16, 16, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    times = []
    for _ in range(TRIALS):
        started = time.perf_counter()
        layer(x)
        synchronize(device)
        times.append(time.perf_counter() - started)
    return min(times)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given; a processor has already."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def seed_everything(seed: int) -> None:
    """Set the random states of Python, NumPy and PyTorch, on all devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (the state that other libraries draw from)
    torch.manual_seed(seed)
