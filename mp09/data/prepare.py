"""Makes `cifar10_batches/`: chooses the source, writes the six batch files, and SOURCE.json last.

The folder appears in one step, complete, or not at all: everything is written to a folder beside it and renamed.
"""

import errno
import secrets
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from mp09 import trees
from mp09.data.cifar import META_FILE, TEST_FILE, TRAIN_FILES, write_batch, write_meta
from mp09.data.folders import Progress
from mp09.data.source import (
    HOLDOUT_FILE,
    SECRET_FILE,
    SOURCE_FILE,
    Source,
    holdout_file,
    read_source,
    secret_file,
    verify,
)
from mp09.data.sources import SECRET_BITS, Origin, Pictures, from_download, from_synthetic
from mp09.errors import DataError, DownloadError
from mp09.files import checksum, write_json, write_text

ARCHIVE_NAME = "cifar-10-python.tar.gz"
BUILDING = ".mp09-building-"  # in the names of unfinished folders
PER_FILE = 8000  # the course's size


@dataclass(frozen=True)
class Holdout:
    """Images that only the grader scores on, in their order in the private file, and the secret seed of both."""

    images: Pictures
    secret: int


def make_batches(
    out: Path,
    origin: Origin | None = None,
    *,
    per_file: int | None = None,
    seed: int | None = None,
    holdout: int | None = None,
    secret: int | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Source:
    """Make the folder `out` and return its Source; a folder that already is what was asked is left as it is.

    Args:
        origin: where the pictures come from (`sources.from_images`, ...).
            None: a complete folder as it is, else the official download, else the synthetic set.
        per_file: pictures a file, a multiple of 8; default: as they are, 8000 for a new folder.
        seed: shuffles the pictures over the files, and draws the synthetic ones, 0..2**32-1; default: as it is, or 0.
        holdout: so many images, a multiple of 40, go into a private file (`source.holdout_file`) that only the grader
            scores on: synthetic ones are made besides the others, others are moved out of the train files;
            default: as it is, or none.
        secret: the seed of the held-out images, 0..2**128-1, that is kept beside them alone; default: a random one.
            Who knows it has the images.
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
    if secret is not None and not 0 <= secret < 2**SECRET_BITS:
        raise DataError(f"secret: expected a whole number of {SECRET_BITS} bits, got {secret}.")
    if not force and (existing := _existing(out, origin, per_file, seed, holdout)):
        return existing
    note, seed, chosen = "", seed or 0, origin or from_download(out.parent / ARCHIVE_NAME)
    try:
        name, train, test = chosen.load(per_file or PER_FILE, progress)
    except DownloadError as error:
        if origin:
            raise
        note, chosen = f"CIFAR-10 could not be fetched: {error}", from_synthetic(seed)
        name, train, test = chosen.load(per_file or PER_FILE, progress)
    held_out = None
    if holdout:
        secret = secrets.randbits(SECRET_BITS) if secret is None else secret
        train, held_out = _hold_out(chosen, train, holdout, secret, progress)
    source = Source(name, chosen.key, len(test.labels), seed, {}, {}, note, holdout or 0)
    return _write(out, source, train, test, held_out, progress)


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
    if wanted != (source.origin, source.per_file, source.seed, source.holdout):
        return None
    if holdout and holdout == source.holdout and not (holdout_file(out).exists() and secret_file(out).exists()):
        raise DataError(
            f"{holdout_file(out).parent}: the held-out images and their secret seed are not there. Put them back, or "
            "hold out others (--force) and give out the data anew."
        )
    return source


def _hold_out(
    origin: Origin, train: Pictures, count: int, secret: int, progress: Progress | None
) -> tuple[Pictures, Holdout]:
    """The train images that are left, and `count` held-out ones, as many of each class."""
    if origin.more:  # the public files are those that everybody can make, so that nothing is missing in them
        private = origin.more(count, secret, progress)
    else:
        train, private = _split(train, count, np.random.default_rng([secret, 0]))
    # Their order in the file is secret, too: it is what a look-up by position would have to know.
    return train, Holdout(private.take(np.random.default_rng([secret, 1]).permutation(count)), secret)


def _split(train: Pictures, count: int, random: np.random.Generator) -> tuple[Pictures, Pictures]:
    """(What is left, `count` random images, as many of each class.)"""
    order, classes = random.permutation(len(train.labels)), np.unique(train.labels)
    of_each = [order[train.labels[order] == label][: count // len(classes)] for label in classes]
    private = np.concatenate(of_each)
    return train.take(np.setdiff1d(order, private)), train.take(private)


def _write(
    out: Path, source: Source, train: Pictures, test: Pictures, held_out: Holdout | None, progress: Progress | None
) -> Source:
    """Write everything beside `out`, then put it there. Returns `source` with its counts and checksums."""
    prefix = f".{out.name}{BUILDING}"
    for leftover in out.parent.glob(f"{prefix}*"):  # of interrupted runs
        trees.remove(leftover)
    building, private, holdout = None, None, holdout_file(out).parent
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=prefix, dir=out.parent))
        shuffle = np.random.default_rng(source.seed)
        parts = dict(zip(TRAIN_FILES, np.split(shuffle.permutation(len(train.labels)), len(TRAIN_FILES)), strict=True))
        for i, (file, indices) in enumerate(parts.items()):
            _write_part(building / file, train.take(indices), f"training batch {i + 1} of {len(parts)}")
            if progress:
                progress("writing", i + 1, len(parts) + 1)
        _write_part(building / TEST_FILE, test.take(shuffle.permutation(source.per_file)), "testing batch 1 of 1")
        if progress:
            progress("writing", len(parts) + 1, len(parts) + 1)
        write_meta(building / META_FILE, per_file=source.per_file)
        counts = {file: len(indices) for file, indices in parts.items()} | {TEST_FILE: source.per_file}
        checksums = {file: checksum(building / file) for file in (*counts, META_FILE)}
        if held_out:
            private = Path(tempfile.mkdtemp(prefix=prefix, dir=out.parent))  # for its owner alone
            source = replace(source, holdout_checksum=_write_holdout(private, held_out))
        source = replace(source, counts=counts, checksums=checksums)
        write_json(building / SOURCE_FILE, asdict(source))
        building.chmod(0o755)
        _replace(building, out)
        if private:
            _replace(private, holdout)
        elif holdout.exists():
            trees.remove(holdout)
        return source
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else str(error)
        raise DataError(f"{out}: could not be written: {reason}. Nothing was left behind.") from error
    finally:
        for folder in filter(None, (building, private)):
            trees.remove(folder)


def _write_holdout(folder: Path, held_out: Holdout) -> str:
    """Write the private file and its secret, and return the file's checksum."""
    images, secret = folder / HOLDOUT_FILE, folder / SECRET_FILE
    _write_part(images, held_out.images, "held out")
    write_text(secret, f"{held_out.secret:032x}\n")
    for path in (images, secret):
        path.chmod(0o600)
    return checksum(images)


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
            trees.remove(old.parent)
    else:
        building.rename(out)
