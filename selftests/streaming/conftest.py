"""Fixtures for pipelines: small images, the course's model exported, improv, changed graphs, and what a run leaves."""

import os
import re
import socket
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from PIL import Image

from mp09.data.cifar_images import from_synthetic, make_images
from mp09.errors import StreamError
from mp09.nets.classifier import own_head
from mp09.nets.export import export, load_exported
from mp09.streaming.graph import read_graph
from mp09.streaming.image_folder import Stream
from mp09.streaming.process import improv_python
from mp09.streaming.run import StreamOptions, stream_images

COUNT = 60


@pytest.fixture(scope="package", autouse=True)
def scratch(tmp_path_factory):
    """Have every run use a new folder for what it may leave behind, and the processor as its device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scratch")))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        yield


@pytest.fixture(scope="session")
def improv() -> None:
    """Skip the test where improv's environment is missing."""
    try:
        improv_python()
    except StreamError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """Export the course's model with its own ten classes."""
    path = tmp_path_factory.mktemp("model") / "model.pt"
    classifier, classes = own_head("resnet18-32", "default")
    export(classifier, path, name="resnet18-32", classes=classes)
    return path


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """Make COUNT synthetic images, in images/ and labels/."""
    folder = tmp_path_factory.mktemp("images")
    make_images(folder, from_synthetic(), batches=["test_batch"], per_batch=COUNT)
    return folder


@pytest.fixture(scope="session")
def stream(images) -> Stream:
    return Stream(images / "images", images / "labels")


@pytest.fixture(scope="session")
def offline(stream, model) -> tuple[list[str], np.ndarray]:
    """Return the class that the model predicts for each image without any pipeline, and the features."""
    exported = load_exported(model)
    import torch

    images = np.stack([np.asarray(Image.open(file)) for file in stream.files])
    with torch.inference_mode():
        features, scores = exported.model(torch.from_numpy(images).permute(0, 3, 1, 2))
    return [exported.card["classes"][i] for i in scores.argmax(dim=1)], features.numpy()


@pytest.fixture(scope="package")
def listened() -> set[str]:
    """Return the set of addresses at which processes of the run `done` listened; the run fills it."""
    return set()


@pytest.fixture(scope="package")
def done(improv, stream, model, listened, tmp_path_factory):
    """Run the timing graph, and return the folder of the run and its summary."""

    def look(*_) -> None:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # the process has ended
                sockets = process.net_connections("inet")
                listened.update(each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN)

    out = tmp_path_factory.mktemp("run") / "out"
    return out, stream_images(stream, model, out, StreamOptions(graph="timing", group=8), progress=look)


def left_over(out: Path) -> list[str]:
    """Return what a run has left behind: its processes, the file of its store, its scratch folders, and its port."""
    log = (out / "improv.log").read_text()
    (store,) = re.findall(r"StoreInterface start successful: (\S+)", log)
    left = [store] if Path(store).exists() else []
    left += Path(os.environ["TMPDIR"]).iterdir()
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if (str(out) in line or store in line) and process.info["status"] != psutil.STATUS_ZOMBIE:
            left.append(line)
    for port in re.findall(r"control port (\d+)", (out / "improv.out").read_text()):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                left.append(f"port {port}")
    return left


def graph_with(path: Path, actor: str, *, base: str = "demo", **changes: str | bool) -> str:
    """Write a graph in which some keys of one actor are changed, such as its class, and return its path."""
    graph = read_graph(base)
    graph["actors"][actor] |= changes
    path.write_text(yaml.safe_dump(graph))
    return str(path)
