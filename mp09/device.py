"""Choose where and how to compute: the device, its fast arithmetic, and seeds.

Importing this module makes PyTorch take denormal numbers for zero.
"""

import random

import numpy as np
import torch

import models
from mp09.errors import DeviceError

# Numbers below 1e-38 count as zero: arithmetic on them made a training step 7 times slower, and no accuracy is lost.
# This is set on import, because PyTorch's threads take the setting over when they are started, which is at the first
# large computation, and never later.
torch.set_flush_denormal(True)


def choose_device(name: str = "auto") -> torch.device:
    """Choose the device to compute on.

    Args:
        name: "cpu", "cuda", "cuda:1" (the second GPU) or "mps"; or "auto", the default, for the fastest that is there:
            CUDA, else Apple's GPU, else the CPU.

    Returns:
        The device with this name.

    Raises:
        DeviceError: the name is none of these, or this machine has no such device.
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


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return the number type that "auto" computes in on a device; see `models.fast_dtype`.

    Raises:
        DeviceError: MP09_PRECISION holds a word that is no precision.
    """
    try:
        return models.fast_dtype(device)
    except ValueError as error:
        raise DeviceError(str(error)) from error


def int8_is_faster(device: torch.device) -> bool:
    """Return whether the processor multiplies 8-bit whole numbers several times as fast as numbers of `fast_dtype`.

    That is so where it has AMX, or has VNNI instructions and computes in float32; on a GPU the answer is no.
    """
    able = torch.cpu.get_capabilities()
    has_vnni = any(able.get(name) for name in ("avx512_vnni", "avx_vnni"))
    faster = able.get("amx_int8") or (has_vnni and fast_dtype(device) == torch.float32)
    return device.type == "cpu" and bool(faster)


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given; the CPU has always done it already."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def seed_everything(seed: int) -> None:
    """Set the random states of Python, NumPy and PyTorch, for all devices.

    Afterwards the same calls draw the same numbers on the same machine. This does not make a GPU add in the same order,
    and a random generator that somebody made before keeps its own state.

    Args:
        seed: A whole number, 0 or more and below 2**64. NumPy, which takes 32 bits, gets the lowest ones.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (the state that other libraries draw from)
    torch.manual_seed(seed)
