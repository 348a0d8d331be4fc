import pickle

import numpy as np
import pytest

from mp09.data.cifar import CIFAR10, CLASSES, TEST_FILE, TRAIN_FILES, read_batch, read_classes, unpickle, write_batch
from mp09.errors import DataError


@pytest.fixture
def batch(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (16, 3, 32, 32), dtype=np.uint8)
    path = tmp_path / "data_batch_1"
    write_batch(
        path, images, np.arange(16) % 8, label="training batch 1 of 5", filenames=[f"{i}.png" for i in range(16)]
    )
    return path, images


def test_students_read_lists_under_bytes_keys(batch):
    with open(batch[0], "rb") as file:
        content = pickle.load(file, encoding="bytes")
    assert {key: type(value) for key, value in content.items()} == {
        b"batch_label": bytes, b"data": list, b"labels": list, b"filenames": list
    }  # fmt: skip


def test_data_are_uint8_rows_of_three_planes(batch):
    path, images = batch
    rows = pickle.loads(path.read_bytes(), encoding="bytes")[b"data"]
    assert {(row.dtype.name, row.shape) for row in rows} == {("uint8", (3072,))}
    assert np.array_equal(rows[3].reshape(3, 32, 32), images[3])


def test_lists_of_two_files_can_be_added(batch):
    content = pickle.loads(batch[0].read_bytes(), encoding="bytes")
    data = []
    data += content[b"data"]
    data += content[b"data"]
    assert len(data) == 32


def test_labels_are_plain_ints(batch):
    assert {type(label) for label in pickle.loads(batch[0].read_bytes(), encoding="bytes")[b"labels"]} == {int}


def test_read_gives_back_what_was_written(batch):
    path, images = batch
    read = read_batch(path)
    assert np.array_equal(read.images, images)
    assert read.labels.tolist() == [*range(8), *range(8)]
    assert read.classes == CLASSES


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"test_batch: expected a batch file here .* Run `python -m mp09 data`"):
        read_batch(tmp_path / "test_batch")


def test_a_truncated_file_is_named(batch):
    path, _ = batch
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="data_batch_1: not a readable batch file"):
        read_batch(path)


def test_a_pickle_that_runs_code_is_refused():
    class Evil:
        def __reduce__(self):
            return print, ("executed",)

    with pytest.raises(DataError, match=r"refers to (builtins|__builtin__)\.print"):
        unpickle(pickle.dumps({b"data": Evil()}), name="batch")


def test_a_pickle_of_something_else_is_refused():
    with pytest.raises(DataError, match="expected a pickled dict, got list"):
        unpickle(pickle.dumps([1]), name="batch")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({b"labels": [1]}, "expected lists b'data'"),
        ({b"data": [np.zeros(3072, np.uint8)], b"labels": [1, 2]}, "1 images but 2 labels"),
        ({b"data": [np.zeros(3000, np.uint8)], b"labels": [1]}, "expected lists b'data'"),
    ],
)
def test_a_batch_of_another_form_is_refused(tmp_path, content, message):
    (tmp_path / "b").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message):
        read_batch(tmp_path / "b")


def test_the_file_names_are_those_of_the_course():
    assert (*TRAIN_FILES, TEST_FILE) == (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


def test_the_ten_classes_of_the_official_archive_are_refused(tmp_path):
    images = np.zeros((2, 3, 32, 32), np.uint8)
    write_batch(tmp_path / "b", images, [0, 9], label="x", filenames=["a", "b"])
    with pytest.raises(DataError, match=r"labels 0..9, expected 0..7.*--archive"):
        read_batch(tmp_path / "b")


def test_ten_classes_are_read_where_ten_are_expected(tmp_path):
    images = np.zeros((2, 3, 32, 32), np.uint8)
    write_batch(tmp_path / "b", images, [0, 9], label="x", filenames=["a", "b"])
    assert read_batch(tmp_path / "b", CIFAR10).labels.tolist() == [0, 9]
    write_batch(tmp_path / "b", images, [0, 10], label="x", filenames=["a", "b"])
    with pytest.raises(DataError, match=r"labels 0\.\.10, expected 0\.\.9\.$"):
        read_batch(tmp_path / "b", CIFAR10)


@pytest.mark.parametrize("meta", [{}, {b"label_names": None}, {b"label_names": [1]}, {b"label_names": [b"\xff"]}])
def test_class_names_of_another_form_are_refused(tmp_path, meta):
    (tmp_path / "batches.meta").write_bytes(pickle.dumps(meta))
    with pytest.raises(DataError, match=r"batches\.meta: expected class names in b'label_names'"):
        read_classes(tmp_path)
