"""Makes `cifar10_batches/`: chooses the source, writes the six batch files, and SOURCE.json last.

The folder appears in one step, complete, or not at all: everything is written to a folder beside it and renamed.
"""

import errno
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mp09.data.cifar import META_FILE, TEST_FILE, TRAIN_FILES, write_batch, write_meta
from mp09.data.folders import Progress
from mp09.data.source import SOURCE_FILE, Source, holdout_file, read_source, verify
from mp09.data.sources import Origin, Pictures, from_download, from_synthetic
from mp09.errors import DataError, DownloadError
from mp09.files import checksum, write_json

ARCHIVE_NAME = "cifar-10-python.tar.gz"
BUILDING = ".mp09-building-"  # in the names of unfinished folders
PER_FILE = 8000  # the course's size


def make_batches(
    out: Path,
    origin: Origin | None = None,
    *,
    per_file: int | None = None,
    seed: int | None = None,
    holdout: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Source:
    """Make the folder `out` and return its Source; a folder that already is what was asked is left as it is.

    Args:
        origin: where the pictures come from (`sources.from_images`, ...).
            None: a complete folder as it is, else the official download, else the synthetic set.
        per_file: pictures a file, a multiple of 8; default: as they are, 8000 for a new folder.
        seed: shuffles the pictures over the files, and draws the synthetic ones, 0..2**32-1; default: as it is, or 0.
        holdout: so many pictures, a multiple of 40, are moved out of the train files into a private file
            (`source.holdout_file`) that only the grader scores on; default: as it is, or none.
        force: replace a folder that was not made by this function, or was changed since.

    Raises:
        DataError: bad input, no space, or `out` is somebody else's. Nothing half-written stays behind.
    """
    out = Path(out).absolute()
    if per_file is not None and (per_file < 8 or per_file % 8):
        raise DataError(f"--per-file: expected a positive multiple of 8 (the classes are balanced), got {per_file}.")
    if seed is not None and not 0 <= seed < 2**32:
        raise DataError(f"--seed: expected 0..4294967295, got {seed}.")
    if holdout is not None and (holdout < 0 or holdout % 40 or holdout >= 5 * (per_file or PER_FILE)):
        raise DataError(
            f"--holdout: expected a multiple of 40 (five files, eight classes) below {5 * (per_file or PER_FILE)}, "
            f"got {holdout}."
        )
    if not force and (existing := _existing(out, origin, per_file, seed, holdout)):
        return existing
    note, seed = "", seed or 0
    try:
        name, train, test = (origin or from_download(out.parent / ARCHIVE_NAME)).load(per_file or PER_FILE, progress)
    except DownloadError as error:
        if origin:
            raise
        note, origin = f"CIFAR-10 could not be fetched: {error}", from_synthetic(seed)
        name, train, test = origin.load(per_file or PER_FILE, progress)
    key = (origin or from_download(out)).key
    return _write(out, name, key, train, test, seed=seed, holdout=holdout or 0, note=note, progress=progress)


def _existing(
    out: Path, origin: Origin | None, per_file: int | None, seed: int | None, holdout: int | None
) -> Source | None:
    """The Source of a folder that satisfies the request; None when it is to be made."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / SOURCE_FILE).is_file():
        complete = out.is_dir() and all((out / name).is_file() for name in (*TRAIN_FILES, TEST_FILE))
        if complete and origin is None and per_file is None:
            return read_source(out)
        raise DataError(
            f"{out}: exists and was not made by this command. Choose another --out, or replace it: --force."
        )
    source = verify(out)
    if foreign := {path.name for path in out.iterdir()} - {*source.checksums, SOURCE_FILE}:
        raise DataError(
            f"{out}: holds files not made by this command: {', '.join(sorted(foreign)[:5])}. Replace all: --force."
        )
    wanted = (
        origin.key if origin else source.origin,
        per_file or source.per_file,
        source.seed if seed is None else seed,
        source.holdout if holdout is None else holdout,
    )
    return source if wanted == (source.origin, source.per_file, source.seed, source.holdout) else None


def _write(
    out: Path,
    name: str,
    key: str,
    train: Pictures,
    test: Pictures,
    *,
    seed: int,
    holdout: int,
    note: str,
    progress: Progress | None,
) -> Source:
    """Write everything beside `out`, then put it there."""
    per_file = len(test.labels)
    prefix = f".{out.name}{BUILDING}"
    for leftover in out.parent.glob(f"{prefix}*"):  # of interrupted runs
        shutil.rmtree(leftover, ignore_errors=True)
    building = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=prefix, dir=out.parent))
        shuffle = np.random.default_rng(seed)
        private, public = _split(train.labels, holdout, shuffle)
        parts = dict(zip(TRAIN_FILES, np.split(public, len(TRAIN_FILES)), strict=True))
        for i, (file, indices) in enumerate(parts.items()):
            _write_part(building / file, train.take(indices), f"training batch {i + 1} of {len(parts)}")
            if progress:
                progress("writing", i + 1, len(parts) + 1)
        _write_part(building / TEST_FILE, test.take(shuffle.permutation(per_file)), "testing batch 1 of 1")
        if progress:
            progress("writing", len(parts) + 1, len(parts) + 1)
        write_meta(building / META_FILE, per_file=per_file)
        counts = {file: len(indices) for file, indices in parts.items()} | {TEST_FILE: per_file}
        checksums = {file: checksum(building / file) for file in (*counts, META_FILE)}
        digest = _write_holdout(holdout_file(out), train.take(private))
        source = Source(name, key, per_file, seed, counts, checksums, note, holdout, digest)
        write_json(building / SOURCE_FILE, asdict(source))
        building.chmod(0o755)
        _replace(building, out)
        return source
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        raise DataError(f"{out}: could not be written: {reason}. Nothing was left behind.") from error
    finally:
        if building:
            shutil.rmtree(building, ignore_errors=True)


def _split(labels: np.ndarray, holdout: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the pictures that are held out, as many of each class, and of all others; both in random order."""
    order = random.permutation(len(labels))
    classes = np.unique(labels)
    private = np.concatenate([order[labels[order] == label][: holdout // len(classes)] for label in classes])
    return random.permutation(private), order[~np.isin(order, private)]


def _write_holdout(path: Path, pictures: Pictures) -> str:
    """Write the private file and return its checksum; without pictures, remove one that is there."""
    if not len(pictures.labels):
        path.unlink(missing_ok=True)
        return ""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _write_part(path, pictures, "held out")
    path.chmod(0o600)
    return checksum(path)


def _write_part(path: Path, pictures: Pictures, label: str) -> None:
    write_batch(path, pictures.images, pictures.labels, label=label, filenames=pictures.filenames)


def _replace(building: Path, out: Path) -> None:
    """Put `building` in the place of `out`, whatever was there."""
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}{BUILDING}", dir=out.parent)) / "old"
        out.rename(old)
        try:
            building.rename(out)
        except OSError:
            old.rename(out)
            raise
        finally:
            shutil.rmtree(old.parent, ignore_errors=True)
    else:
        building.rename(out)
