"""Keeps features on disk, under a key of everything that they depend on. Several processes may use one cache.

An entry is a folder with features.npy, labels.npy and card.json. It is written under another name and renamed when it
is complete, so that nobody reads half of it. If two processes compute the same entry, the second takes that of the
first.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn

from mp09 import __version__
from mp09.errors import FeatureError
from mp09.features.featureset import FeatureSet
from mp09.files import write_json

UNFINISHED = ".new-"
FEATURES, LABELS, CARD = "features.npy", "labels.npy", "card.json"
STALE_S = 24 * 3600.0  # an unfinished entry as old as this was left behind by a process that was killed


def key_of(parts: dict[str, Any]) -> str:
    """Return the sha256 of plain values and of the versions that matter: those of mp09, PyTorch and torchvision."""
    versions = {"mp09": __version__, "torch": torch.__version__, "torchvision": torchvision.__version__}
    return hashlib.sha256(json.dumps({**parts, "versions": versions}, sort_keys=True).encode()).hexdigest()


def digest_model(net: nn.Module) -> str:
    """Return the sha256 of a model's structure and weights."""
    digest = hashlib.sha256(repr(net).encode())
    for name, tensor in net.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def digest_arrays(*arrays: np.ndarray) -> str:
    """Return the sha256 of the types, shapes and contents of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def read(folder: Path, key: str) -> FeatureSet | None:
    """Return an entry, with its features mapped into memory; None when there is none.

    Args:
        folder: The cache.
        key: The key, as `key_of` makes it.

    Raises:
        FeatureError: The entry is damaged, or may not be read.
    """
    entry = Path(folder) / key
    return _entry(entry) if entry.is_dir() else None


def _entry(entry: Path) -> FeatureSet:
    try:
        features = np.load(entry / FEATURES, mmap_mode="r")
        labels = np.load(entry / LABELS)
        if len(features) != len(labels):
            raise ValueError(f"{len(features)} features, {len(labels)} labels")
    except PermissionError as error:
        raise FeatureError(f"{entry}: may not be read ({error.strerror}). Choose another --cache.") from error
    except (OSError, ValueError, EOFError) as error:
        raise FeatureError(f"{entry}: damaged ({error}). Remove this folder; it is made again.") from error
    return FeatureSet(features, labels, entry.name)


def ready(folder: Path) -> None:
    """Make the cache's folder where it is missing, and remove what killed processes left in it over a day ago.

    Raises:
        FeatureError: The folder can't be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"{UNFINISHED}*"):
            with suppress(FileNotFoundError):  # its process has completed it meanwhile
                if time.time() - left.stat().st_mtime > STALE_S:
                    shutil.rmtree(left, ignore_errors=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "Permission denied")
    except OSError as error:
        raise FeatureError(f"{folder}: the cache can't be written ({error}). Choose another --cache.") from error


def write(folder: Path, found: FeatureSet, card: dict[str, Any]) -> FeatureSet:
    """Write features into a cache that is `ready`, and return them as `read` does.

    Args:
        folder: The cache.
        found: The features, with their key.
        card: Plain values that are kept beside them, so that a reader can tell what they are.

    Raises:
        FeatureError: They can't be written.
    """
    folder = Path(folder)
    temporary = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    try:
        np.save(temporary / FEATURES, found.features)
        np.save(temporary / LABELS, found.labels)
        write_json(temporary / CARD, card)
        temporary.chmod(0o755)
        temporary.rename(folder / found.key)
    except OSError as error:
        if not (folder / found.key).is_dir():  # otherwise another process has written this entry first
            raise FeatureError(f"{folder / found.key}: could not be written ({error}).") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return _entry(folder / found.key)
