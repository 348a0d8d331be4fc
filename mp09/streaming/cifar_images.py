"""CIFAR-10 as a folder of pictures to stream.

    images/test_batch_00000.jpg    labels/test_batch_00000.txt    a class' number
    classes.txt                    its name: one a line           SOURCE.json     what every score on them is called

The archive, where it is downloaded, and the batches in it are kept beside them.
"""

import io
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from mp09.data.cifar import CIFAR10, CLASSES, META_FILE, SHAPE, TEST_FILE, TRAIN_FILES, unpickle
from mp09.data.download import MD5, URL, download
from mp09.data.folders import archive_entries, describe, read_files
from mp09.data.source import SOURCE_FILE, read_source
from mp09.data.synthetic import draw
from mp09.errors import DataError
from mp09.files import atomic_write, checksum, write_json, write_text
from mp09.streaming.pictures import NAMES

ARCHIVE = "cifar-10-python.tar.gz"
EXTRACTED = "cifar-10-batches-py"
BATCHES = (*TRAIN_FILES, TEST_FILE)
FOLDERS = "labels", "images"
MOST = 10_000  # pictures a batch
NEW = ".new-cifar-images-"  # a folder of files that are not all there yet
MARK = {"made_by": "cifar-images"}  # in SOURCE.json: what is beside it may be replaced
QUALITY = 95  # of JPEG, with all of the colours

Progress = Callable[[str, int, int], None]
Pictures = Iterable[tuple[bytes, str, int]]  # a file's bytes, its suffix, the label


@dataclass(frozen=True)
class Origin:
    """Where pictures come from.

    name: what scores on them are called
    classes: in the order of the labels
    batch: (name, count) -> that many pictures of a batch, or as many as there are
    """

    name: str
    classes: tuple[str, ...]
    batch: Callable[[str, int], Pictures]


def make_images(
    out: Path, origin: Origin, *, batches: Sequence[str], per_batch: int | None = None, progress: Progress | None = None
) -> int:
    """Write the first pictures of each batch, and their labels; how many in all.

    per_batch: 1..10000; None: all there are
    Raises DataError when a batch has fewer, or `out` holds something else or can't be written; what it held stays then.
    """
    out = Path(out)
    if per_batch is not None and not 1 <= per_batch <= MOST:
        raise DataError(f"--per-batch: expected 1..{MOST}, got {per_batch}.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        _check_is_ours(out)
        for broken_off in out.glob(f"{NEW}*"):
            shutil.rmtree(broken_off, ignore_errors=True)
        with TemporaryDirectory(prefix=NEW, dir=out) as folder:
            new = Path(folder)
            for name in FOLDERS:
                (new / name).mkdir()
            counts = [_write(new, origin, batch, per_batch, progress) for batch in dict.fromkeys(batches)]
            write_text(out / NAMES, "".join(f"{name}\n" for name in origin.classes))
            write_json(out / SOURCE_FILE, {"name": origin.name, **MARK})
            for name in FOLDERS:  # the pictures last: what has them is complete
                shutil.rmtree(out / name, ignore_errors=True)
                (new / name).rename(out / name)
    except OSError as error:
        raise DataError(f"{error.filename or out}: could not be written ({error.strerror or error}).") from error
    return sum(counts)


def _check_is_ours(out: Path) -> None:
    """Raise DataError when something there was not made by this command."""
    there = [name for name in (*FOLDERS, NAMES, SOURCE_FILE) if (out / name).exists()]
    try:
        source = json.loads((out / SOURCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        source = None
    if there and not (isinstance(source, dict) and MARK.items() <= source.items()):
        raise DataError(f"{out / there[0]}: exists and was not made by this command. Choose another --out.")


def _write(folder: Path, origin: Origin, batch: str, per_batch: int | None, progress: Progress | None) -> int:
    """The pictures of a batch and their labels; how many. Raises DataError when there are too few."""
    count = 0
    for content, suffix, label in islice(origin.batch(batch, per_batch or MOST), per_batch):
        stem = f"{batch}_{count:05d}"
        (folder / "images" / f"{stem}{suffix}").write_bytes(content)
        (folder / "labels" / f"{stem}.txt").write_text(f"{label}\n")
        count += 1
        if progress:
            progress(batch, count, per_batch or MOST)
    if per_batch and count < per_batch:
        raise DataError(f"{batch}: has {count} pictures, asked for {per_batch}. Ask for fewer: --per-batch.")
    return count


def from_download(out: Path, *, url: str = URL, md5: str = MD5, progress: Progress | None = None) -> Origin:
    """The official archive, fetched into `out` unless it is (unpacked) there. Raises DownloadError, DataError."""
    archive = Path(out) / ARCHIVE
    unpacked = (Path(out) / EXTRACTED / META_FILE).is_file()
    if not unpacked and not (archive.is_file() and checksum(archive, "md5") == md5):
        download(archive, url=url, md5=md5, progress=progress)
    return from_archive(archive, out, md5=md5)


def from_archive(archive: Path, out: Path, *, md5: str = MD5) -> Origin:
    """The official archive, unpacked into `out`. Raises DataError when it is another file."""
    folder = Path(out) / EXTRACTED
    if not (folder / META_FILE).is_file():  # it is written last
        if not Path(archive).is_file():
            raise DataError(f"{archive}: no such file. Expected the official {ARCHIVE}.")
        if (found := checksum(archive, "md5")) != md5:
            raise DataError(f"{archive}: expected MD5 {md5} of the official archive, got {found}. Fetch it again.")
        contents = {PurePosixPath(name).name: content for name, content in archive_entries(archive)}
        if missing := [name for name in (*BATCHES, META_FILE) if name not in contents]:
            raise DataError(f"{archive}: {missing[0]} not in the archive. Expected the official {ARCHIVE}.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (*BATCHES, META_FILE):
                with atomic_write(folder / name) as file:
                    file.write(contents[name])
        except OSError as error:
            raise DataError(f"{folder}: could not be written ({error.strerror}).") from error
    return from_batches(folder, name="CIFAR-10")


def from_batches(folder: Path, *, name: str = "") -> Origin:
    """Batch files: the archive's with ten classes, or `cifar10_batches` with eight. Raises DataError."""
    folder = Path(folder)
    (names,) = _read(folder / META_FILE, b"label_names")
    name = name or (read_source(folder).name if (folder / SOURCE_FILE).exists() else folder.name)

    def batch(file: str, count: int) -> Pictures:
        rows, labels = _read(folder / file, b"data", b"labels")
        for row, label in zip(rows[:count], labels, strict=False):
            yield _jpeg(np.asarray(row, np.uint8).reshape(SHAPE)), ".jpg", int(label)

    encoded = name if name == "synthetic" or "JPEG" in name else f"{name} (JPEG)"
    return Origin(encoded, tuple(text.decode() for text in names), batch)


def from_images(path: Path) -> Origin:
    """Pictures in `train/<class>/*` and `test/<class>/*`, ten classes, as they are. Raises DataError."""
    files = read_files(path, classes=CIFAR10)
    eight = {(split, cls): files[split, cls] for split in ("train", "test") for cls in CLASSES}

    def batch(file: str, _: int) -> Pictures:
        """A fifth of the training pictures, or the test pictures: the first of each class, the second of each, ..."""
        split = "test" if file == TEST_FILE else "train"
        by_class = [[(*entry, label) for entry in files[split, cls]] for label, cls in enumerate(CIFAR10)]
        mixed = [entry for entries in zip_longest(*by_class) for entry in entries if entry]
        part, parts = (0, 1) if split == "test" else (TRAIN_FILES.index(file), len(TRAIN_FILES))
        for name, content, label in mixed[part * len(mixed) // parts : (part + 1) * len(mixed) // parts]:
            yield content, PurePosixPath(name).suffix.lower(), label

    return Origin(describe(eight, Path(path).name.split(".")[0]), CIFAR10, batch)


def from_synthetic() -> Origin:
    """Drawn pictures, eight classes."""

    def batch(file: str, count: int) -> Pictures:
        labels = np.arange(count) % len(CLASSES)
        images = draw(labels, seed=BATCHES.index(file))
        return ((_jpeg(image), ".jpg", int(label)) for image, label in zip(images, labels, strict=True))

    return Origin("synthetic", CLASSES, batch)


def _read(path: Path, *keys: bytes) -> list:
    """Values of a pickled dict."""
    try:
        batch = unpickle(path.read_bytes(), name=str(path))
        return [batch[key] for key in keys]
    except OSError as error:
        raise DataError(f"{path}: expected a batch file here ({error.strerror}).") from error
    except KeyError as error:
        raise DataError(f"{path}: expected {error} in it. Is it a batch file of CIFAR-10?") from error


def _jpeg(image: np.ndarray) -> bytes:
    """uint8 (3, H, W), planes R, G, B -> a file's bytes."""
    content = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(content, "JPEG", quality=QUALITY, subsampling=0)
    return content.getvalue()
