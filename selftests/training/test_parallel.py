"""Tests that two processes which share every batch give the result of one process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ConstantLR
from torch.utils.data import DataLoader, TensorDataset

from mp09.training import checkpoint
from mp09.training.batches import Batches, Shard
from mp09.training.epoch import EpochLoop, Losses
from mp09.training.fit import fit
from mp09.training.history import History
from mp09.training.options import FitOptions
from selftests.conftest import ROOT

ALONE = """
import time, torch
from pathlib import Path
from mp09.training import parallel
with parallel.processes(torch.device("cpu")) as (rank, size):
    with parallel.first_alone(rank, size):
        time.sleep(0.5 * (rank == 0))
        assert Path("written").exists() == (rank == 1)
        Path("written").touch()
    assert parallel.totals([1, rank], torch.device("cpu")) == [2, 1]
"""


def in_two_processes(script: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_first_process_goes_ahead_of_the_others(tmp_path):
    (tmp_path / "run.py").write_text(ALONE)
    in_two_processes(tmp_path / "run.py", tmp_path)


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(3, (203,), generator=generator)
    return torch.randn(203, 3, 8, 8, generator=generator) + y.view(-1, 1, 1, 1), y


class Net(nn.Module):
    """Consists of a convolution with a frozen BatchNorm, and a head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.conv, self.norm, self.head = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 3)
        self.norm.requires_grad_(False)

    def train(self, mode: bool = True) -> nn.Module:
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().mean(dim=(2, 3)))


def train(folder: Path, kind: str, precision: str) -> tuple[nn.Module, list[dict]]:
    """Train on 203 images, and validate on 129, so that the last batch has fewer images than there are processes."""
    x, y = data()
    train = Batches(x, y, 32, shuffle=True) if kind == "batches" else DataLoader(TensorDataset(x, y), 32, shuffle=True)
    model = Net()
    options = FitOptions(epochs=3, lr=0.01, device="cpu", precision=precision)
    return model, fit(model, train, Batches(x[:129], y[:129], 64), options, folder=folder)


@pytest.mark.parametrize(("kind", "precision"), [("batches", "float32"), ("loader", "auto")])
def test_two_processes_give_the_result_of_one(tmp_path, kind, precision):
    """This holds in float32, and also with "auto" when one of the processes computes in float32."""
    script = tmp_path / "run.py"
    script.write_text(
        "import os\nfrom pathlib import Path\nfrom selftests.training.test_parallel import train\n"
        "os.environ['MP09_PRECISION'] = 'float32' if os.environ['RANK'] == '0' else 'bfloat16'\n"
        f"train(Path({str(tmp_path / 'two')!r}), {kind!r}, {precision!r})\n"
    )
    in_two_processes(script, ROOT)
    one, history = train(tmp_path / "one", kind, "float32")
    two = Net()
    state = checkpoint.load_model(tmp_path / "two", two, "last")
    for row, other in zip(history, state.history, strict=True):
        assert {k: v for k, v in row.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in other.items() if k != "seconds"}, rel=1e-4
        )
    for value, other in zip(one.state_dict().values(), two.state_dict().values(), strict=True):
        torch.testing.assert_close(value, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_parts_of_a_batch_are_the_batch(size):
    x, y = torch.arange(20), torch.arange(20)
    for loader in (Batches(x, y, 6), DataLoader(TensorDataset(x, y), 6)):
        parts = [[part.tolist() for part, _ in Shard(loader, rank, size, in_step=True)] for rank in range(size)]
        whole = [sorted(n for part in batch for n in part) for batch in zip(*parts, strict=True)]
        full = [batch for batch, _ in loader if len(batch) >= size]
        assert whole == [batch.tolist() for batch in full]


@pytest.mark.parametrize("size", [2, 3, 7])
def test_no_image_is_left_out_of_validation(size):
    x, y = torch.arange(20), torch.arange(20)
    for loader in (Batches(x, y, 6), DataLoader(TensorDataset(x, y), 6)):
        parts = [Shard(loader, rank, size, in_step=False) for rank in range(size)]
        assert sorted(n for part in parts for batch, _ in part for n in batch.tolist()) == list(range(20))


def test_random_changes_differ_between_processes_and_epochs(monkeypatch):
    seeds = []
    monkeypatch.setattr("mp09.training.epoch.seed_everything", seeds.append)
    monkeypatch.setattr("mp09.training.parallel.wrap", lambda model, device: model)
    monkeypatch.setattr("mp09.training.parallel.take_buffers", lambda model: None)
    monkeypatch.setattr("mp09.training.parallel.totals", lambda values, device: [2.0 * value for value in values])
    model, losses = Net(), Losses(nn.CrossEntropyLoss(), nn.CrossEntropyLoss())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    rates = ConstantLR(optimizer, factor=1.0)
    for rank in (0, 1):
        loop = EpochLoop(model, optimizer, rates, losses, None, torch.device("cpu"), torch.float32, rank, 2)
        for past in range(3):
            loop.epoch(Batches(*data(), 32), None, History([{}] * past), 0, None)
    assert (
        len({seed % 2**32 for seed in seeds}) == 3 + 2 * 3
    )  # the order's for each epoch, the same in both, and one for each epoch and rank


def test_a_loaders_own_generator_is_still_found():
    generator = torch.Generator()
    loader = DataLoader(TensorDataset(*data()), 32, shuffle=True, generator=generator)
    assert Shard(loader, 0, 2, in_step=True).generator is generator
