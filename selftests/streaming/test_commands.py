"""The commands `cifar-images`, `export` and `stream` do what they say, and refuse what makes no sense."""

import pytest
import torch

from mp09.cli import main
from mp09.data import cifar_images
from mp09.errors import DownloadError
from mp09.nets.export import load_exported


def test_images_of_several_batches(tmp_path, capsys):
    command = ["cifar-images", "--synthetic", "--batch", "2", "test", "--per-batch", "16", "--out", str(tmp_path)]
    assert main(command) == 0
    assert f"{tmp_path}: 32 images of: synthetic, 8 classes" in capsys.readouterr().out
    assert len(list((tmp_path / "images").glob("data_batch_2_*.jpg"))) == 16


def test_without_a_network_synthetic_images_are_made_and_it_says_so(tmp_path, capsys, monkeypatch):
    def unreachable(*_, **__):
        raise DownloadError("there is no network")

    monkeypatch.setattr(cifar_images, "from_download", unreachable)
    assert main(["cifar-images", "--per-batch", "8", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "there is no network" in said
    assert "Synthetic images" in said
    assert main(["cifar-images", "--download", "--per-batch", "8", "--out", str(tmp_path / "other")]) == 2


@pytest.mark.parametrize(("hidden", "layers"), [((), 1), (("--hidden", "30,20"), 3)])
def test_a_new_head_of_any_depth(tmp_path, hidden, layers):
    path = tmp_path / "net.pt"
    command = ["export", "--model", "resnet18-32", "--outputs", "7", "--softmax", "--out", str(path), *hidden]
    assert main(command) == 0
    features, scores = load_exported(path).model(torch.zeros(3, 3, 40, 40, dtype=torch.uint8))
    assert (features.shape, scores.shape) == ((3, 512), (3, 7))
    assert torch.allclose(scores.sum(dim=1), torch.ones(3))
    weights = [tensor for name, tensor in load_exported(path).model.named_parameters()]
    assert not weights  # they are constants of the graph
    graph = str(load_exported(path).model.inlined_graph)
    assert graph.count("aten::linear") == layers


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model", "resnet18-32", "--hidden", "30"), "hidden: layers of a new head; how many outputs"),
        (("--outputs", "3", "--weights", "none"), "weights, outputs: for a published model, not for one of a run"),
        (("--model", "resnet18-32", "--run", "runs/train"), "not allowed with"),
    ],
)
def test_options_that_would_be_without_effect_are_refused(tmp_path, capsys, options, words):
    try:
        code = main(["export", "--out", str(tmp_path / "net.pt"), *options])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_images_with_labels_that_the_model_does_not_know_are_not_judged(improv, stream, tmp_path, capsys):
    exported, labels = tmp_path / "net.pt", tmp_path / "labels"
    assert main(["export", "--model", "resnet18-32", "--out", str(exported)]) == 0
    labels.mkdir()
    for path in stream.files:
        (labels / path.stem).with_suffix(".txt").write_text("zebra")
    command = ["stream", "--images", str(stream.images), "--labels", str(labels), "--exported", str(exported)]
    assert main([*command, "--group", "20", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert f"not judged: {len(stream)} images whose labels are no classes of this model" in said
    assert "accuracy" not in said
    assert f"written: {tmp_path / 'out'}: features.npy, predictions.jsonl\n" in said
