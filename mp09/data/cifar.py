"""Reads and writes the course's batch files: eight classes of CIFAR-10 in six pickled dicts.

Each dict has four bytes keys: `batch_label` (bytes), and three Python lists, `data` (uint8 arrays of shape (3072,),
planes R, G, B, each 32x32 row by row), `labels` (int, 0 to 7) and `filenames` (bytes). Students read the files with
`pickle.load(file, encoding="bytes")`. This module uses an unpickler that can build arrays and nothing else, because
loading a malicious pickle would run its code.
"""

import io
import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mp09.data.imageset import ImageSet
from mp09.errors import DataError
from mp09.files import atomic_write

CLASSES = ("airplane", "automobile", "bird", "deer", "frog", "horse", "ship", "truck")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")  # of the archive
TRAIN_FILES = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST_FILE = "test_batch"
BATCHES = (*TRAIN_FILES, TEST_FILE)
META_FILE = "batches.meta"
SHAPE = (3, 32, 32)

# A pickled numpy array or a byte string of Python 2 refers to these, with NumPy 1 or 2.
_ALLOWED_GLOBALS = {
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED_GLOBALS:
            raise pickle.UnpicklingError(f"refers to {module}.{name}")
        return super().find_class(module, name)


def unpickle(content: bytes, *, name: str) -> dict[object, Any]:
    """Decode a pickled dict of lists, arrays and byte strings.

    Args:
        content: the pickle.
        name: what error messages call the file.

    Raises:
        DataError: the pickle is damaged, refers to anything but arrays and byte strings, or is no dict.
    """
    try:
        value = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise almost any error
        raise DataError(f"{name}: not a readable batch file ({error}). Make it again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{name}: expected a pickled dict, got {type(value).__name__}.")
    return value


def read_batch(path: Path, classes: tuple[str, ...] = CLASSES) -> ImageSet:
    """Read one batch file into an ImageSet of N images (N, 3, 32, 32).

    Args:
        path: the file.
        classes: the class names, by default the course's eight.

    Raises:
        DataError: the file is missing or damaged, or has other labels than these classes.
    """
    return images_of(_unpickle_file(path), classes, name=str(path))


def read_classes(folder: Path) -> tuple[str, ...]:
    """Read the class names of a folder of batch files. Raises DataError when batches.meta is missing or damaged."""
    path = Path(folder) / META_FILE
    return classes_of(_unpickle_file(path), name=str(path))


def _unpickle_file(path: Path) -> dict:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: expected a batch file here ({error.strerror}). Run `python -m mp09 data`.") from error
    return unpickle(content, name=str(path))


def classes_of(meta: dict, *, name: str) -> tuple[str, ...]:
    """Return the class names in the unpickled dict of batches.meta.

    Args:
        meta: the dict.
        name: what error messages call the file.

    Raises:
        DataError: there are no such names.
    """
    try:
        return tuple(text.decode() for text in meta[b"label_names"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{name}: expected class names in b'label_names'. Is it a batch file of CIFAR-10?") from error


def images_of(batch: dict, classes: tuple[str, ...], *, name: str) -> ImageSet:
    """Return the images in the unpickled dict of a batch file.

    Args:
        batch: the dict.
        classes: the class names.
        name: what error messages call the file.

    Raises:
        DataError: the dict has another form, or other labels than these classes.
    """
    try:
        images = np.asarray(batch[b"data"], dtype=np.uint8).reshape(-1, *SHAPE)
        labels = np.asarray(batch[b"labels"], dtype=np.int64).reshape(-1)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{name}: expected lists b'data' (3072 bytes each) and b'labels' ({error!r}).") from error
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(classes):
        hint = " The ten classes of the official archive? Make a folder of eight from it: --archive."
        expected = f"0..{len(classes) - 1}.{hint if classes == CLASSES else ''}"
        raise DataError(f"{name}: labels {labels.min()}..{labels.max()}, expected {expected}")
    if len(images) != len(labels):
        raise DataError(f"{name}: {len(images)} images but {len(labels)} labels.")
    return ImageSet(images, labels, classes)


def renumber(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Renumber labels (N,), which are indices into `classes`, by the course's eight classes; others become -1."""
    return np.array([CLASSES.index(name) if name in CLASSES else -1 for name in classes])[labels]


def write_batch(path: Path, images: np.ndarray, labels: Iterable[int], *, label: str, filenames: Iterable[str]) -> None:
    """Write one batch file in one step.

    Args:
        path: the file to write.
        images: uint8 (N, 3, 32, 32), planes R, G, B, values 0 to 255.
        labels: N whole numbers, 0 to 7.
        label: what the batch is called, e.g. "training batch 1 of 5".
        filenames: N names of image files.
    """
    batch = {
        b"batch_label": label.encode(),
        b"data": list(np.ascontiguousarray(images, dtype=np.uint8).reshape(len(images), -1)),
        b"labels": [int(value) for value in labels],
        b"filenames": [name.encode() for name in filenames],
    }
    _write_pickle(path, batch)


def write_meta(path: Path, *, per_file: int) -> None:
    """Write the file `batches.meta` with the class names in the order of their labels, and the sizes."""
    names = [name.encode() for name in CLASSES]
    _write_pickle(path, {b"num_cases_per_batch": per_file, b"label_names": names, b"num_vis": 3072})


def _write_pickle(path: Path, value: object) -> None:
    with atomic_write(path) as file:
        pickle.dump(value, file, protocol=4)
