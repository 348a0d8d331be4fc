"""What the speed benchmarks share: they time two sides by turns, name the machine, and print a verdict."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from mp09.device import fast_dtype


def machine(device: torch.device | None = None) -> str:
    """Name the GPU (if `device` is one), the processor, its cores, whether it has bfloat16, and PyTorch's version."""
    gpu = f"{torch.cuda.get_device_name(device)}, " if device and device.type == "cuda" else ""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    bfloat16 = "bfloat16" if fast_dtype(torch.device("cpu")) == torch.bfloat16 else "no bfloat16"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{gpu}{names[0] if names else platform.processor()}, {cores} cores, {bfloat16}, torch {torch.__version__}"


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def by_turns(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Time every side once a round, one after the other, so that a slow minute affects all; return seconds by side."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            times[name].append(seconds(work))
    return times


def show(name: str, values: list[float], unit: str = "s") -> float:
    """Print the median with its spread, and return the median."""
    middle = statistics.median(values)
    print(f"{name:40} {middle:9.2f} {unit}   ({min(values):.2f} to {max(values):.2f}, {len(values)} runs)")
    return middle


def verdict(ratio: float, goal: float) -> int:
    """Print the ratio beside its goal, and return an exit code: 0 when the goal is met."""
    print(f"ratio {ratio:.2f} goal {goal:.2f}")
    return 0 if ratio >= goal else 1
