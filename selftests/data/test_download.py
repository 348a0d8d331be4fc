"""Tests reading and downloading the archive of CIFAR-10, from a server on this machine, with every fault named."""

import http.server
import io
import os
import pickle
import tarfile
import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from mp09.data import prepare
from mp09.data.cifar import CIFAR10, TEST_FILE, TRAIN_FILES, read_batch
from mp09.data.download import download
from mp09.data.origins import from_archive, from_download
from mp09.data.prepare import make_batches
from mp09.errors import DataError, DownloadError
from mp09.files import checksum
from selftests.data.conftest import PER_FILE


def make_archive(path: Path, per_batch: int = 20, **changes) -> Path:
    """Make a small archive like the official one, in which all pixel values of an image are its label."""
    files = {"batches.meta": {b"label_names": [name.encode() for name in CIFAR10]}}
    for name in (*TRAIN_FILES, TEST_FILE):
        labels = [i % 10 for i in range(per_batch)]
        data = np.repeat(np.array(labels, dtype=np.uint8)[:, None], 3072, 1)
        files[name] = {
            b"data": data,
            b"labels": labels,
            b"filenames": [f"{name}_{i}.png".encode() for i in range(per_batch)],
        }
    files |= changes
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            if content is not None:
                raw = pickle.dumps(content, protocol=2)
                info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                info.size = len(raw)
                archive.addfile(info, io.BytesIO(raw))
    return path


def test_the_archive_loses_cat_and_dog_and_is_renumbered(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz")
    source = make_batches(tmp_path / "out", from_archive(path, md5=checksum(path, "md5")), per_file=PER_FILE)
    batch = read_batch(tmp_path / "out" / TEST_FILE)
    originals = np.array([0, 1, 2, 4, 6, 7, 8, 9])
    assert source.name == "CIFAR-10"
    assert np.array_equal(batch.images[:, 0, 0, 0], originals[batch.labels])


def test_another_md5_is_an_error(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz")
    with pytest.raises(DataError, match="expected MD5 c58f30108f718f92721af3b95e74349a of the official archive, got"):
        make_batches(tmp_path / "out", from_archive(path), per_file=PER_FILE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_batch_3": None}, "data_batch_3 not in the archive"),
        ({"batches.meta": {b"label_names": [b"apple"]}}, "expected the class names .* got apple"),
        ({"data_batch_1": {b"labels": [0]}}, "a batch is not as in the official archive"),
        ({"test_batch": [1]}, "expected a pickled dict"),
    ],
)
def test_another_archive_is_an_error(tmp_path, changes, message):
    path = make_archive(tmp_path / "a.tar.gz", **changes)
    with pytest.raises(DataError, match=message):
        make_batches(tmp_path / "out", from_archive(path, md5=checksum(path, "md5")), per_file=PER_FILE)


def test_a_truncated_official_archive_is_an_error(tmp_path):
    path = make_archive(tmp_path / "a.tar.gz", per_batch=200)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match="not a complete archive"):
        make_batches(tmp_path / "out", from_archive(path, md5=checksum(path, "md5")), per_file=PER_FILE)


def test_an_archive_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a.tar.gz: no such file"):
        from_archive(tmp_path / "a.tar.gz")


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `content` or a range of it, and breaks off once, after `stop` bytes."""

    content = b""
    stop: int | None = None
    status: int | None = None
    ranges: ClassVar[list] = []

    def do_GET(self):
        cls = type(self)
        cls.ranges.append(self.headers.get("Range"))
        if cls.status:
            self.send_error(cls.status)
            return
        start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
        if start >= len(cls.content):
            self.send_error(416)
            return
        body = cls.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: cls.stop] if cls.stop else body)
        cls.stop = None

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("Fresh", (Handler,), {"ranges": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{httpd.server_port}/cifar-10-python.tar.gz"
        yield handler
        httpd.shutdown()


def test_the_download_is_unpacked_like_the_archive(server, tmp_path):
    path = make_archive(tmp_path / "served.tar.gz")
    server.content = path.read_bytes()
    origin = from_download(tmp_path / "kept.tar.gz", url=server.url, md5=checksum(path, "md5"))
    assert make_batches(tmp_path / "out", origin, per_file=PER_FILE).name == "CIFAR-10"
    assert (tmp_path / "kept.tar.gz").read_bytes() == server.content


def test_a_broken_download_is_resumed_where_it_stopped(server, tmp_path):
    server.content, server.stop = os.urandom(300_000), 100_000
    md5 = __import__("hashlib").md5(server.content).hexdigest()
    with pytest.raises(DownloadError, match=r"the connection broke after 100000 of 300000 bytes.*Run again to resume"):
        download(tmp_path / "a", url=server.url, md5=md5)
    assert not (tmp_path / "a").exists()
    assert download(tmp_path / "a", url=server.url, md5=md5).read_bytes() == server.content
    assert server.ranges == [None, "bytes=100000-"]


def test_a_complete_part_is_taken_as_it_is(server, tmp_path):
    server.content = b"abc" * 100
    (tmp_path / "a.part").write_bytes(server.content)
    md5 = checksum(tmp_path / "a.part", "md5")
    assert download(tmp_path / "a", url=server.url, md5=md5).read_bytes() == server.content


def test_a_download_with_another_md5_is_thrown_away(server, tmp_path):
    server.content = b"something else"
    with pytest.raises(DownloadError, match="expected MD5 c58f"):
        download(tmp_path / "a", url=server.url)
    assert os.listdir(tmp_path) == []


def test_the_server_answer_is_quoted(server, tmp_path):
    server.status = 503
    with pytest.raises(DownloadError, match="the server answered 503 Service Unavailable"):
        download(tmp_path / "a", url=server.url)


def test_without_a_network_the_download_fails_in_words(tmp_path):
    origin = from_download(tmp_path / "a.tar.gz", url="http://127.0.0.1:9/nothing")
    with pytest.raises(DownloadError, match=r"could not be fetched \(.*refused.*\)"):
        make_batches(tmp_path / "out", origin, per_file=PER_FILE)
    assert not (tmp_path / "out").exists()


def test_without_a_source_and_network_synthetic_images_are_made_and_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare, "from_download", lambda path: from_download(path, url="http://127.0.0.1:9/nothing"))
    source = make_batches(tmp_path / "out", per_file=PER_FILE)
    assert (source.name, source.note[:33]) == ("synthetic", "CIFAR-10 could not be fetched: ht")
    assert make_batches(tmp_path / "out", per_file=8).note == source.note


def test_images_of_the_archive_are_taken_from_it_again(tmp_path, monkeypatch):
    path = make_archive(tmp_path / prepare.ARCHIVE_NAME)
    md5 = checksum(path, "md5")
    monkeypatch.setattr(prepare, "from_download", lambda path: from_download(path, md5=md5))
    make_batches(tmp_path / "out", from_archive(path, md5=md5), per_file=PER_FILE)
    made = make_batches(tmp_path / "out", per_file=8)
    assert (made.name, made.per_file) == ("CIFAR-10", 8)
