"""Reads the official archive of CIFAR-10, which `download` fetches: ten classes in six batches of 10,000 images.

It does not write any file, and knows nothing of the images' later use.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from mp09.data.archives import Progress, archive_entries
from mp09.data.cifar import BATCHES, CIFAR10, META_FILE, TEST_FILE, TRAIN_FILES, classes_of, images_of, unpickle
from mp09.data.download import ARCHIVE_NAME, MD5
from mp09.data.imageset import NamedImages
from mp09.errors import DataError
from mp09.files import checksum


def check_exists(archive: Path) -> None:
    """Raise DataError unless there is a file of this name."""
    if not Path(archive).is_file():
        raise DataError(f"{archive}: no such file. Expected the official {ARCHIVE_NAME}.")


def official_files(archive: Path, *, md5: str = MD5) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each batch file, and of batches.meta, in the archive's order.

    Args:
        archive: the official `cifar-10-python.tar.gz`.
        md5: its checksum.

    Raises:
        DataError: there is no such file; it is another one, or damaged; or a batch is missing, which shows at the end.
    """
    check_exists(archive)
    if (found := checksum(archive, "md5")) != md5:
        raise DataError(f"{archive}: expected MD5 {md5} of the official archive, got {found}. Fetch it again.")
    missing = {*BATCHES, META_FILE}
    for path, content in archive_entries(archive):
        name = PurePosixPath(path).name
        if name in missing:
            if name == META_FILE:
                _check_classes(unpickle(content, name=f"{archive}: {name}"), archive)
            missing.remove(name)
            yield name, content
    if missing:
        names = ", ".join(sorted(missing))
        raise DataError(f"{archive}: {names} not in the archive. Expected the official {ARCHIVE_NAME}.")


def read_official(
    archive: Path, *, md5: str = MD5, progress: Progress | None = None
) -> tuple[NamedImages, NamedImages]:
    """Read all training images and all test images, with labels 0 to 9.

    Args:
        archive: the official `cifar-10-python.tar.gz`.
        md5: its checksum.
        progress: called as progress("reading", done, total), in files.

    Raises:
        DataError: as in `official_files`, or if a batch has another form.
    """
    batches: dict[str, NamedImages] = {}
    for number, (name, content) in enumerate(official_files(archive, md5=md5), 1):
        if name != META_FILE:
            batches[name] = _named(unpickle(content, name=f"{archive}: {name}"), archive)
        if progress:
            progress("reading", number, len(BATCHES) + 1)
    train = [batches[name] for name in TRAIN_FILES]
    joined = NamedImages(
        np.concatenate([batch.images for batch in train]),
        np.concatenate([batch.labels for batch in train]),
        [name for batch in train for name in batch.filenames],
    )
    return joined, batches[TEST_FILE]


def _check_classes(meta: dict, archive: Path) -> None:
    if (names := classes_of(meta, name=f"{archive}: {META_FILE}")) != CIFAR10:
        got = ", ".join(names) or "none"
        raise DataError(f"{archive}: expected the class names {', '.join(CIFAR10)}; got {got}.")


def _named(batch: dict, archive: Path) -> NamedImages:
    try:
        found = images_of(batch, CIFAR10, name="batch")
        return NamedImages(found.images, found.labels, [name.decode() for name in batch[b"filenames"]])
    except (DataError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{archive}: a batch is not as in the official archive ({error}). Fetch it again.") from error
