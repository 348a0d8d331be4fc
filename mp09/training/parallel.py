"""Lets several processes train one model, as `torchrun` starts them.

    torchrun --nproc-per-node 2 -m mp09 train …

All functions but `processes` and `local_device` need connected processes: call them within the block of `processes`.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

PATIENCE = timedelta(days=1)  # how long processes wait for the first one, which may compute features for hours


@contextmanager
def processes(device: torch.device) -> Iterator[tuple[int, int]]:
    """Connect the processes within the block, and give (rank, size): the number of this one, and how many there are.

    Without torchrun this is (0, 1). Processes that are connected already stay so after the block.

    Args:
        device: What this process computes on; GPUs are connected by NCCL, other devices by Gloo.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or not distributed.is_available():
        yield 0, 1
        return
    started = not distributed.is_initialized()
    if started:
        own = device if device.index is not None else None
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE, device_id=own)
    try:
        yield distributed.get_rank(), distributed.get_world_size()
    finally:
        if started:
            distributed.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """Return the GPU of this process, since torchrun's processes on one machine take one GPU each.

    A device with an index, and one that is no GPU, stay as they are.
    """
    if device.type == "cuda" and device.index is None and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device


def wrap(model: nn.Module, device: torch.device) -> nn.Module:
    """Wrap a model so that its gradients are means over all processes."""
    return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


def wait_for_all() -> None:
    """Wait until all processes have called this."""
    distributed.barrier()


def for_all(holds: bool, device: torch.device) -> bool:
    """Return whether `holds` is true in every process."""
    return totals([holds], device) == [distributed.get_world_size()]


def totals(values: Sequence[float], device: torch.device) -> list[float]:
    """Return the sum over all processes of each value."""
    sums = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(sums)
    return sums.tolist()


def take_buffers(model: nn.Module) -> None:
    """Give a model the first process's buffers, such as running statistics, as its parameters are the same anyway."""
    for buffer in model.buffers():
        distributed.broadcast(buffer, src=0)


@contextmanager
def first_alone(rank: int, size: int) -> Iterator[None]:
    """Let the first process go through the block before the others do, who find there what it has written."""
    if size > 1 and rank > 0:
        wait_for_all()
    yield
    if size > 1 and rank == 0:
        wait_for_all()
