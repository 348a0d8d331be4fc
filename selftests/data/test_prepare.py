"""Tests that the data folder is made from every source, and that every obstacle is reported."""

import http.server
import io
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from mp09.cli import main
from mp09.data import prepare
from mp09.data.cifar import CIFAR10, CLASSES, TEST_FILE, TRAIN_FILES, read_batch
from mp09.data.download import download
from mp09.data.origins import from_archive, from_download, from_images, from_synthetic
from mp09.data.prepare import make_batches
from mp09.data.provenance import read_provenance, verify
from mp09.errors import DataError, DownloadError
from mp09.files import checksum
from selftests.conftest import ROOT

PER_FILE = 16


@pytest.fixture
def copy(images, tmp_path) -> Path:
    return Path(shutil.copytree(images, tmp_path / "images"))


def pack(folder: Path, target: Path) -> Path:
    """Pack a folder as .tar, .tar.gz, .tar.xz or .zip, inside a folder called top."""
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w") as archive:
            for file in sorted(folder.rglob("*.png")):
                archive.write(file, Path("top") / file.relative_to(folder))
    else:
        with tarfile.open(target, "w:" + target.suffix[1:].replace("tar", "")) as archive:
            archive.add(folder, "top")
    return target


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


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".")]


# Data from image files


@pytest.mark.parametrize("suffix", ["", ".tar", ".tar.gz", ".tar.xz", ".zip"])
def test_folders_and_archives_of_images_give_the_same_batches(images, tmp_path, suffix):
    source = pack(images, tmp_path / f"images{suffix}") if suffix else images
    out = tmp_path / "out"
    made = make_batches(out, from_images(source), per_file=PER_FILE)
    direct = make_batches(tmp_path / "direct", from_images(images), per_file=PER_FILE)
    assert made.checksums == direct.checksums
    assert made.counts == {**dict.fromkeys(TRAIN_FILES, 16), TEST_FILE: 16}


def test_labels_belong_to_their_images_and_names(images, tmp_path):
    make_batches(tmp_path / "out", from_images(images), per_file=PER_FILE)
    for file in (*TRAIN_FILES, TEST_FILE):
        batch = read_batch(tmp_path / "out" / file)
        assert np.array_equal(batch.images[:, 0, 0, 0], batch.labels)
        names = pickle.loads((tmp_path / "out" / file).read_bytes())[b"filenames"]
        assert [name.split(b"_")[0].decode() for name in names] == [CLASSES[label] for label in batch.labels]


def test_training_and_test_images_stay_apart_and_balanced(images, tmp_path):
    make_batches(tmp_path / "out", from_images(images), per_file=PER_FILE)
    test = read_batch(tmp_path / "out" / TEST_FILE)
    assert set(test.images[:, 2, 0, 0]) == {1}
    assert np.bincount(test.labels).tolist() == [2] * 8


def test_the_seed_decides_the_order(images, tmp_path):
    orders = [make_batches(tmp_path / str(s), from_images(images), per_file=16, seed=s).checksums for s in (0, 1)]
    assert orders[0] != orders[1]


def test_unknown_images_are_not_called_cifar10(images, tmp_path):
    name = make_batches(tmp_path / "out", from_images(images), per_file=PER_FILE).name
    assert name == f"{images.name} (PNG)"


def test_a_missing_class_folder_is_named(copy, tmp_path):
    shutil.rmtree(copy / "test" / "frog")
    with pytest.raises(DataError, match="no images in test/frog"):
        make_batches(tmp_path / "out", from_images(copy), per_file=PER_FILE)
    assert not (tmp_path / "out").exists()


def test_too_few_images_are_counted(images, tmp_path):
    with pytest.raises(DataError, match=r"train/airplane: expected at least 5000 images, found 12.*--per-file"):
        make_batches(tmp_path / "out", from_images(images))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no image", "not a readable image"), (None, "expected 32x32 pixels, got 31x32")],
)
def test_a_bad_image_is_named(copy, tmp_path, content, message):
    path = copy / "train" / "ship" / "0000.png"
    if content:
        path.write_bytes(content)
    else:
        Image.new("RGB", (31, 32)).save(path)
    with pytest.raises(DataError, match=f"train/ship/0000.png: {message}"):
        make_batches(tmp_path / "out", from_images(copy), per_file=PER_FILE)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz", ".zip"])
def test_a_truncated_archive_is_an_error(images, tmp_path, suffix):
    path = pack(images, tmp_path / f"images{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="not a complete archive"):
        make_batches(tmp_path / "out", from_images(path), per_file=PER_FILE)


def test_an_altered_archive_is_an_error(images, tmp_path):
    path = pack(images, tmp_path / "images.tar.xz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a complete archive"):
        make_batches(tmp_path / "out", from_images(path), per_file=PER_FILE)


def test_a_damaged_last_header_is_an_error(images, tmp_path):
    path = pack(images, tmp_path / "images.tar")
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo("last"))
    with tarfile.open(path) as archive:
        last = archive.getmembers()[-1].offset
    content = bytearray(path.read_bytes())
    content[last] ^= 255
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not a complete archive .*damaged header"):
        make_batches(tmp_path / "out", from_images(path), per_file=PER_FILE)


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere: no such file or folder"):
        make_batches(tmp_path / "out", from_images(tmp_path / "nowhere"), per_file=PER_FILE)


# Data from the official archive and the download


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


# The folder that is made


def test_a_complete_folder_is_kept(tmp_path):
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    before = (out / TEST_FILE).stat().st_mtime_ns
    make_batches(out)
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    assert (out / TEST_FILE).stat().st_mtime_ns == before


def test_another_request_replaces_our_own_folder(images, tmp_path):
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    make_batches(out, from_images(images), per_file=8)
    assert (read_provenance(out).per_file, len(read_batch(out / TEST_FILE))) == (8, 8)
    assert leftovers(tmp_path) == []


def test_what_is_not_given_stays_as_it_was(tmp_path):
    made = make_batches(tmp_path / "out", from_synthetic(3), per_file=PER_FILE, seed=5)
    assert (made.origin, made.seed, made.per_file) == ("synthetic, seed 3", 5, PER_FILE)
    made = make_batches(tmp_path / "out", per_file=8)
    assert (made.origin, made.seed, made.per_file) == ("synthetic, seed 3", 5, 8)
    made = make_batches(tmp_path / "out", seed=6)
    assert (made.origin, made.seed, made.per_file) == ("synthetic, seed 6", 6, 8)


def test_the_command_keeps_the_seed_of_synthetic_images(tmp_path):
    command = ["data", "--synthetic", "--out", str(tmp_path / "out")]
    assert main([*command, "--seed", "5", "--per-file", "8"]) == 0
    made = read_provenance(tmp_path / "out")
    assert main(command) == 0
    assert read_provenance(tmp_path / "out") == made


def test_images_of_the_archive_are_taken_from_it_again(tmp_path, monkeypatch):
    path = make_archive(tmp_path / prepare.ARCHIVE_NAME)
    md5 = checksum(path, "md5")
    monkeypatch.setattr(prepare, "from_download", lambda path: from_download(path, md5=md5))
    make_batches(tmp_path / "out", from_archive(path, md5=md5), per_file=PER_FILE)
    made = make_batches(tmp_path / "out", per_file=8)
    assert (made.name, made.per_file) == ("CIFAR-10", 8)


def test_own_images_are_asked_for_again(images, tmp_path):
    make_batches(tmp_path / "out", from_images(images), per_file=8)
    with pytest.raises(DataError, match=r"out: made of .* \(PNG\)\. .* give these images again, e\.g\. --images PATH"):
        make_batches(tmp_path / "out", seed=1)
    assert make_batches(tmp_path / "out", from_images(images), seed=1).per_file == 8


def test_a_folder_of_somebody_else_is_never_overwritten(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="was not made by this command"):
        make_batches(out, from_synthetic(0), per_file=PER_FILE)
    assert (out / "thesis.txt").read_text() == "years of work"


def test_force_overwrites_it(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.txt").write_text("")
    make_batches(out, from_synthetic(0), per_file=PER_FILE, force=True)
    assert not (out / "old.txt").exists()
    assert verify(out).name == "synthetic"


def test_a_folder_of_the_course_is_used_as_it_is(tmp_path):
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    (out / "SOURCE.json").unlink()
    assert (make_batches(out).name, read_provenance(out).counts[TEST_FILE]) == ("unknown source", PER_FILE)
    with pytest.raises(DataError, match="was not made by this command"):
        make_batches(out, holdout=40)


def test_verify_names_what_changed(tmp_path):
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    (out / "data_batch_2").unlink()
    with open(out / TEST_FILE, "ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="missing or changed since it was made: data_batch_2, test_batch"):
        verify(out)


def test_verify_needs_checksums(tmp_path):
    make_batches(tmp_path / "out", from_synthetic(0), per_file=PER_FILE)
    (tmp_path / "out" / "SOURCE.json").unlink()
    with pytest.raises(DataError, match=r"has no SOURCE.json"):
        verify(tmp_path / "out")


def test_a_damaged_source_file_is_an_error(tmp_path):
    (tmp_path / "SOURCE.json").write_text("{")
    with pytest.raises(DataError, match=r"SOURCE.json: not readable"):
        read_provenance(tmp_path)


@pytest.mark.parametrize("per_file", [0, -8, 12])
def test_an_unbalanced_size_is_refused(tmp_path, per_file):
    with pytest.raises(DataError, match=f"positive multiple of 8 .*, got {per_file}"):
        make_batches(tmp_path / "out", from_synthetic(0), per_file=per_file)


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        with pytest.raises(DataError, match=r"the disk is full\. Nothing was left behind"):
            make_batches(small / "out", from_synthetic(0), per_file=80)
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_an_interrupted_run_is_completed_by_the_next(tmp_path):
    command = [sys.executable, "-m", "mp09", "data", "--synthetic", "--per-file", "1000", "--out", tmp_path / "out"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not leftovers(tmp_path):  # until it has begun to write
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    make_batches(tmp_path / "out", from_synthetic(0), per_file=PER_FILE)
    assert verify(tmp_path / "out").per_file == PER_FILE
    assert leftovers(tmp_path) == []


# The command


def test_the_command_says_what_it_made(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["data", "--synthetic", "--per-file", "16", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: synthetic, 80 images to train on, 16 to test on\n"
    assert main(["data", "--verify", "--out", str(out)]) == 0


def test_the_command_prints_one_line_for_an_error(tmp_path, capsys):
    assert main(["data", "--images", str(tmp_path / "no"), "--out", str(tmp_path / "out")]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(error) == 1
    assert error[0].startswith("error: ")


def make_measured(out: Path, *arguments: str) -> tuple[float, int]:
    """Make a full-size folder in a process of its own, and return the seconds and the peak memory in kB.

    The peak comes from /proc, because that of `resource.getrusage` survives exec and would include the calling process.
    """
    code = (
        "import sys; from mp09.cli import main\n"
        "assert main(['data', '--out', *sys.argv[1:]]) == 0\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, out, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return time.monotonic() - started, int(done.stdout.splitlines()[-1])


@pytest.mark.proof
def test_synthetic_images_within_75_seconds_and_a_gigabyte(tmp_path):
    seconds, peak = make_measured(tmp_path / "out", "--synthetic")
    print(f"\n48,000 synthetic images: {seconds:.1f} s, {peak / 1e3:.0f} MB")
    assert (seconds < 75, peak < 1_000_000) == (True, True)


@pytest.mark.real
def test_real_images_within_a_minute_and_a_gigabyte(real_images, tmp_path):
    seconds, peak = make_measured(tmp_path / "out", "--images", real_images)
    print(f"\n48,000 real images: {seconds:.1f} s, {peak / 1e3:.0f} MB")
    assert (seconds < 60, peak < 1_000_000) == (True, True)
    assert read_provenance(tmp_path / "out").name == "CIFAR-10 (JPEG)"


# Files that the command did not make


def test_a_file_of_ours_beside_made_files_is_not_lost(tmp_path):
    make_batches(tmp_path / "out", from_synthetic(0), per_file=40)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"not made by this command: notes\.txt"):
        make_batches(tmp_path / "out", from_synthetic(1), per_file=40)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_neighbour_with_a_similar_name_is_not_removed(tmp_path):
    (tmp_path / ".out.backup").mkdir()
    make_batches(tmp_path / "out", from_synthetic(0), per_file=40)
    assert (tmp_path / ".out.backup").is_dir()


def test_another_seed_is_another_order(tmp_path):
    make_batches(tmp_path / "out", from_synthetic(0), per_file=40)
    assert make_batches(tmp_path / "out", from_synthetic(0), per_file=40, seed=5).seed == 5
    with pytest.raises(DataError, match=r"--seed: expected 0\.\.4294967295, got -1"):
        make_batches(tmp_path / "out", seed=-1)
