"""What is counted and timed is the model, and nothing else."""

import pytest
import torch
from torch import nn
from torchvision import models as zoo

from mp09.compare import measure
from mp09.nets.catalog import figures
from mp09.nets.published import published


@pytest.mark.parametrize("name", ["alexnet", "resnet50", "densenet161", "squeezenet1_1", "vit_b_32"])
def test_multiplications_and_parameters_are_those_published(name):
    with torch.device("meta"):
        net = zoo.get_model(name)
    assert measure.gmacs(net, 224) == pytest.approx(figures(name).gmacs, rel=0.02)
    assert measure.parameters(net) == figures(name).parameters


def test_the_count_does_not_depend_on_the_precision():
    net = published("resnet18-32", "none").net.to(torch.bfloat16)
    assert measure.gmacs(net, 32) == pytest.approx(0.14, abs=0.005)


def test_counting_leaves_the_model_as_it_is():
    net = published("resnet18-32", "none").net
    before = net.conv1.weight.clone()
    assert measure.gmacs(net, 32) == pytest.approx(0.14, abs=0.005)
    assert net.training
    assert torch.equal(net.conv1.weight, before)


class Counting(nn.Module):
    """Records the sizes of its batches, and whether gradients were on."""

    def __init__(self):
        super().__init__()
        self.sizes, self.gradients = [], []

    def forward(self, x):
        self.sizes.append(len(x))
        self.gradients.append(torch.is_grad_enabled())
        return x


def test_the_first_passes_are_not_timed():
    net = Counting()
    times = measure.latencies_ms(net, torch.zeros(1, 3, 2, 2), 4)
    assert len(times) == 4
    assert all(time > 0 for time in times)
    assert len(net.sizes) == 4 + measure.WARM_UP
    assert not any(net.gradients)


def test_a_rate_counts_images_and_takes_one_batch_at_least():
    net = Counting()
    assert measure.rate(net, torch.zeros(8, 3, 2, 2), 0) > 0
    assert net.sizes == [8, 8]  # one of them warms the model up
    assert measure.rate(net, torch.zeros(8, 3, 2, 2), 0.02) > 8 / 0.02


def test_the_bytes_of_a_state_dict():
    assert measure.state_mib(nn.Linear(1023, 256)) == 1.0


def test_the_device_has_a_name():
    assert measure.describe(torch.device("cpu")).endswith(("thread", "threads"))
