"""Lets several processes train one model, as `torchrun` starts them.

    torchrun --nproc-per-node 2 -m mp09 train …

`wrap`, `wait_for_all`, `for_all` and `total` need connected processes: call them within the block of `processes`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


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
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
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
    return total(int(holds), device) == distributed.get_world_size()


def total(count: int, device: torch.device) -> int:
    """Return the sum of the counts of all processes."""
    value = torch.tensor(count, device=device)
    distributed.all_reduce(value)
    return int(value)
