"""CIFAR-10 can be made into image files from each of its sources."""

import http.server
import pickle
import threading

import numpy as np
import pytest
from PIL import Image

from mp09.data.cifar import CIFAR10, CLASSES
from mp09.data.cifar_images import (
    from_archive,
    from_batches,
    from_download,
    from_images,
    from_synthetic,
    make_images,
)
from mp09.errors import DataError, DownloadError
from mp09.files import checksum
from mp09.streaming.image_folder import Stream
from selftests.data.test_download import make_archive


def images(folder):
    return sorted(path.name for path in (folder / "images").iterdir())


def test_each_image_of_the_archive_has_its_label(tmp_path):
    archive = make_archive(tmp_path / "a.tar.gz")  # every pixel of an image has the label as its value
    out = tmp_path / "out"
    origin = from_archive(archive, out, md5=checksum(archive, "md5"))
    assert make_images(out, origin, batches=["data_batch_2", "test_batch"], per_batch=12) == 24
    names = images(out)
    assert names == [f"data_batch_2_{i:05d}.jpg" for i in range(12)] + [f"test_batch_{i:05d}.jpg" for i in range(12)]
    for name in names:
        label = int((out / "labels" / name).with_suffix(".txt").read_text())
        image = np.asarray(Image.open(out / "images" / name))
        assert image.shape == (32, 32, 3)
        assert (image == label).all()
    stream = Stream(out / "images", out / "labels")
    assert stream.names == list(CIFAR10)
    assert stream.name == "CIFAR-10 (JPEG)"
    assert (out / "cifar-10-batches-py" / "data_batch_5").is_file()


def test_what_is_unpacked_is_not_unpacked_again_and_serves_alone(tmp_path):
    archive = make_archive(tmp_path / "a.tar.gz")
    from_archive(archive, tmp_path, md5=checksum(archive, "md5"))
    archive.unlink()
    assert from_archive(archive, tmp_path, md5="0").classes == CIFAR10
    assert make_images(tmp_path / "out", from_batches(tmp_path / "cifar-10-batches-py"), batches=["test_batch"]) == 20


def test_the_download_is_kept_beside_the_images(tmp_path):
    archive = make_archive(tmp_path / "cifar-10-python.tar.gz")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{archive.name}"
        origin = from_download(tmp_path / "out", url=url, md5=checksum(archive, "md5"))
        server.shutdown()
    assert (tmp_path / "out" / archive.name).is_file()
    assert make_images(tmp_path / "out", origin, batches=["test_batch"]) == 20
    with pytest.raises(DownloadError):
        from_download(tmp_path / "other", url=url)
    (tmp_path / "out" / archive.name).unlink()
    assert from_download(tmp_path / "out", url=url).name == origin.name  # the unpacked files are enough


def test_a_damaged_archive_is_fetched_again(tmp_path):
    good = make_archive(tmp_path / "good.tar.gz")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cifar-10-python.tar.gz").write_bytes(b"half of it")
    origin = from_download(tmp_path / "out", url=good.as_uri(), md5=checksum(good, "md5"))
    assert make_images(tmp_path / "out", origin, batches=["test_batch"]) == 20


def test_another_archive_is_refused(tmp_path):
    with pytest.raises(DataError, match="of the official archive, got"):
        from_archive(make_archive(tmp_path / "a.tar.gz"), tmp_path)
    with pytest.raises(DataError, match="no such file"):
        from_archive(tmp_path / "b.tar.gz", tmp_path)
    archive = make_archive(tmp_path / "c.tar.gz", data_batch_3=None)
    with pytest.raises(DataError, match="data_batch_3 not in the archive"):
        from_archive(archive, tmp_path, md5=checksum(archive, "md5"))


def test_the_assignments_batches_keep_their_eight_classes_and_name(small_data, tmp_path):
    origin = from_batches(small_data)
    assert (origin.name, origin.classes) == ("synthetic", CLASSES)
    assert make_images(tmp_path, origin, batches=["data_batch_1"], per_batch=5) == 5


@pytest.mark.parametrize("missing", ["batches.meta", "test_batch"])
def test_a_missing_batch_file_is_named(small_data, tmp_path, missing):
    folder = tmp_path / "batches"
    folder.mkdir()
    for path in small_data.iterdir():
        if path.name != missing:
            (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=f"{missing}: expected a batch file here"):
        make_images(tmp_path / "out", from_batches(folder), batches=["test_batch"])


def test_class_folders_are_copied_as_they_are(tmp_path):
    source = tmp_path / "mine"
    for split, count in (("train", 5), ("test", 2)):
        for label, name in enumerate(CIFAR10):
            (source / split / name).mkdir(parents=True)
            for i in range(count):
                Image.new("RGB", (32, 32), (label, i, 0)).save(source / split / name / f"{i}.png")
    out = tmp_path / "out"
    origin = from_images(source)
    assert make_images(out, origin, batches=["data_batch_1", "data_batch_5", "test_batch"]) == 10 + 10 + 20
    seen = {tuple(np.asarray(Image.open(path))[0, 0]) for path in (out / "images").glob("data_batch_*.png")}
    assert seen == {(label, i, 0) for label in range(10) for i in (0, 4)}
    first = out / "images" / "test_batch_00000.png"
    assert first.read_bytes() == (source / "test" / CIFAR10[0] / "0.png").read_bytes()


def test_synthetic_images_differ_and_are_as_many_as_asked(tmp_path):
    assert make_images(tmp_path, from_synthetic(), batches=["data_batch_1", "test_batch"], per_batch=24) == 48
    assert len({path.read_bytes() for path in (tmp_path / "images").iterdir()}) == 48


def test_a_second_time_replaces_the_first(tmp_path):
    make_images(tmp_path, from_synthetic(), batches=["test_batch"], per_batch=9)
    (tmp_path / ".new-cifar-images-x" / "images").mkdir(parents=True)  # left by a command that was killed
    make_images(tmp_path, from_synthetic(), batches=["data_batch_1"], per_batch=3)
    assert not list(tmp_path.glob(".new*"))
    assert len(images(tmp_path)) == 3
    assert len(list((tmp_path / "labels").iterdir())) == 3


def test_a_batch_named_twice_is_counted_once(tmp_path):
    assert make_images(tmp_path, from_synthetic(), batches=["test_batch"] * 2, per_batch=4) == len(images(tmp_path))


@pytest.mark.parametrize("name", ["images/a.jpg", "labels/a.txt", "classes.txt", "SOURCE.json"])
def test_somebody_elses_files_stay(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("[]")
    with pytest.raises(DataError, match="not made by this command"):
        make_images(tmp_path, from_synthetic(), batches=["test_batch"], per_batch=3)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]
    assert (tmp_path / name).read_text() == "[]"


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="could not be written"):
        make_images(tmp_path / "file", from_synthetic(), batches=["test_batch"], per_batch=3)
    archive = make_archive(tmp_path / "a.tar.gz")
    with pytest.raises(DataError, match="could not be written"):
        from_archive(archive, tmp_path / "file", md5=checksum(archive, "md5"))


@pytest.mark.parametrize("count", [0, 10_001])
def test_a_batch_has_1_to_10000_images(tmp_path, count):
    with pytest.raises(DataError, match=r"expected 1\.\.10000"):
        make_images(tmp_path, from_synthetic(), batches=["test_batch"], per_batch=count)


def test_a_batch_with_too_few_is_counted(small_data, tmp_path):
    with pytest.raises(DataError, match="test_batch: has 400 images, asked for 401"):
        make_images(tmp_path, from_batches(small_data), batches=["test_batch"], per_batch=401)


def test_what_fails_leaves_the_images_before_it(small_data, tmp_path):
    make_images(tmp_path, from_synthetic(), batches=["test_batch"], per_batch=3)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match="asked for 401"):
        make_images(tmp_path, from_batches(small_data), batches=["test_batch"], per_batch=401)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_batch_files_of_something_else_are_named(tmp_path):
    (tmp_path / "batches.meta").write_bytes(pickle.dumps({b"names": []}))
    with pytest.raises(DataError, match="Is it a batch file of CIFAR-10"):
        from_batches(tmp_path)
