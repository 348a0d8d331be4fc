"""Small pictures, the course's network as a file, improv, graphs with other actors, and what a run left behind."""

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

from mp09.errors import StreamError
from mp09.nets.classifier import own_head
from mp09.nets.export import export, load_exported
from mp09.streaming.cifar_images import from_synthetic, make_images
from mp09.streaming.graph import read_graph
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
def listened() -> set[str]:
    """The addresses at which processes of the run `done` listened."""
    return set()


@pytest.fixture(scope="package")
def done(improv, stream, model, listened, tmp_path_factory):
    """A run of the timing graph: its folder and summary."""

    def look(*_) -> None:
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it has ended
                sockets = process.net_connections("inet")
                listened.update(each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN)

    out = tmp_path_factory.mktemp("run") / "out"
    return out, run(stream, model, out, Options(graph="timing", group=8), progress=look)


def left_over(out: Path) -> list[str]:
    """Processes that were started for a run, its store's file, and its port."""
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
    """A graph with another class in an actor's place, as a file."""
    graph = read_graph(base)
    graph["actors"][actor] |= changes
    path.write_text(yaml.safe_dump(graph))
    return str(path)
