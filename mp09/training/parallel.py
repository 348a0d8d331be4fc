"""Several processes that train one model, as `torchrun` starts them: `torchrun --nproc-per-node 2 -m mp09 train …`"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def processes(device: torch.device) -> Iterator[tuple[int, int]]:
    """(rank, size): which of how many processes this is; they are connected meanwhile. (0, 1) without torchrun."""
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
    """torchrun's processes on one machine take one GPU each."""
    if device.type == "cuda" and device.index is None and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return device


def wrap(model: nn.Module, device: torch.device) -> nn.Module:
    """A model whose gradients are means over all processes."""
    return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


def wait_for_all() -> None:
    """Go on when all processes are here."""
    distributed.barrier()


def for_all(holds: bool, device: torch.device) -> bool:
    """Whether it holds in every process."""
    return total(int(holds), device) == distributed.get_world_size()


def total(count: int, device: torch.device) -> int:
    """The sum of all processes' counts."""
    value = torch.tensor(count, device=device)
    distributed.all_reduce(value)
    return int(value)
