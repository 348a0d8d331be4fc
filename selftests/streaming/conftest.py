"""Small pictures, the course's network as a file, and improv."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mp09.errors import StreamError
from mp09.nets.classifier import own_head
from mp09.nets.export import export, load_exported
from mp09.streaming.cifar_images import from_synthetic, make_images
from mp09.streaming.pictures import Stream
from mp09.streaming.process import improv_python
from mp09.streaming.run import Options, run

COUNT = 60


@pytest.fixture(scope="package", autouse=True)
def scratch(tmp_path_factory):
    """A place of our own for what runs leave behind, and the processor as the device of all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scratch")))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        yield


@pytest.fixture(scope="session")
def improv() -> None:
    """Skips where improv's environment is missing."""
    try:
        improv_python()
    except StreamError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """The course's network with its own ten classes."""
    path = tmp_path_factory.mktemp("model") / "network.pt"
    classifier, classes = own_head("resnet18-32", "default")
    export(classifier, path, name="resnet18-32", classes=classes)
    return path


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """COUNT drawn pictures, in images/ and labels/."""
    folder = tmp_path_factory.mktemp("pictures")
    make_images(folder, from_synthetic(), batches=["test_batch"], per_batch=COUNT)
    return folder


@pytest.fixture(scope="session")
def stream(pictures) -> Stream:
    return Stream(pictures / "images", pictures / "labels")


@pytest.fixture(scope="session")
def offline(stream, model) -> tuple[list[str], np.ndarray]:
    """What the network says of each picture without any pipeline, and its features."""
    exported = load_exported(model)
    import torch

    images = np.stack([np.asarray(Image.open(file)) for file in stream.files])
    with torch.inference_mode():
        features, scores = exported.network(torch.from_numpy(images).permute(0, 3, 1, 2))
    return [exported.card["classes"][i] for i in scores.argmax(dim=1)], features.numpy()


@pytest.fixture(scope="package")
def done(improv, stream, model, tmp_path_factory):
    """A run of the timing graph: its folder and summary."""
    out = tmp_path_factory.mktemp("run") / "out"
    return out, run(stream, model, out, Options(graph="timing", group=8))
