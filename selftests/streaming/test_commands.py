"""`python -m mp09 cifar-images` and what `export` makes for a pipeline."""

import pytest
import torch

from mp09.cli import main
from mp09.errors import DownloadError
from mp09.nets.export import load_exported
from mp09.streaming import cifar_images


def test_pictures_of_several_batches(tmp_path, capsys):
    command = ["cifar-images", "--synthetic", "--batch", "2", "test", "--per-batch", "16", "--out", str(tmp_path)]
    assert main(command) == 0
    assert f"{tmp_path}: 32 pictures of: synthetic, 8 classes" in capsys.readouterr().out
    assert len(list((tmp_path / "images").glob("data_batch_2_*.jpg"))) == 16


def test_without_a_network_pictures_are_drawn_and_it_says_so(tmp_path, capsys, monkeypatch):
    def unreachable(*_, **__):
        raise DownloadError("there is no network")

    monkeypatch.setattr(cifar_images, "from_download", unreachable)
    assert main(["cifar-images", "--per-batch", "8", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "there is no network" in said
    assert "DRAWN" in said
    assert main(["cifar-images", "--download", "--per-batch", "8", "--out", str(tmp_path / "other")]) == 2


@pytest.mark.parametrize(("hidden", "layers"), [((), 1), (("--hidden", "30,20"), 3)])
def test_a_new_head_of_any_depth(tmp_path, hidden, layers):
    path = tmp_path / "net.pt"
    command = ["export", "--network", "resnet18-32", "--outputs", "7", "--softmax", "--out", str(path), *hidden]
    assert main(command) == 0
    features, scores = load_exported(path).network(torch.zeros(3, 3, 40, 40, dtype=torch.uint8))
    assert (features.shape, scores.shape) == ((3, 512), (3, 7))
    assert torch.allclose(scores.sum(dim=1), torch.ones(3))
    weights = [tensor for name, tensor in load_exported(path).network.named_parameters()]
    assert not weights  # frozen into the graph
    graph = str(load_exported(path).network.inlined_graph)
    assert graph.count("aten::linear") == layers
