"""Makes `cifar10_batches/`: chooses the source, writes the six batch files and batches.meta, and SOURCE.json last.

The folder appears complete and in one step, or not at all, because everything is written to a folder beside it, which
is then renamed.
"""

import errno
import secrets
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from mp09 import trees
from mp09.data.archives import Progress
from mp09.data.cifar import META_FILE, TEST_FILE, TRAIN_FILES, write_batch, write_meta
from mp09.data.origins import SECRET_BITS, NamedImages, Origin, from_download, from_synthetic
from mp09.data.provenance import (
    HOLDOUT_FILE,
    SECRET_FILE,
    SOURCE_FILE,
    Provenance,
    holdout_file,
    read_provenance,
    secret_file,
    verify,
)
from mp09.errors import DataError, DownloadError
from mp09.files import checksum, write_json, write_text

ARCHIVE_NAME = "cifar-10-python.tar.gz"
BUILDING = ".mp09-building-"  # a part of the names of unfinished folders
PER_FILE = 8000  # images in each of the course's files


@dataclass(frozen=True)
class Holdout:
    """Holds images that only the grader scores on, in the order of the private file, and the secret seed of both."""

    images: NamedImages
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
) -> Provenance:
    """Make the data folder `out` and return its Provenance. A folder that already is what was asked for is kept.

    Args:
        out: the folder to make.
        origin: where the images come from, e.g. `origins.from_images(...)`. With None, a complete folder is kept; else
            CIFAR-10 is downloaded; if that fails, synthetic images are made.
        per_file: how many images each file holds, a multiple of 8. None accepts what an existing folder has, and means
            8000 for a folder that has to be made.
        seed: decides how the images are shuffled over the files, 0 to 2**32 - 1; also the seed of synthetic images if
            the download fails. None accepts what an existing folder has, and means 0 otherwise.
        holdout: how many images, a multiple of 40, go into a private file (`provenance.holdout_file`) that only the
            grader scores on. Synthetic ones are made in addition; others are moved out of the training files. None
            accepts what an existing folder has, and means 0 otherwise.
        secret: the seed of the held-out images, 0 to 2**128 - 1, which is kept only beside them, because whoever knows
            it can make them. By default it is random.
        force: make the folder in any case, even if this function did not make what it replaces.
        progress: called as progress(what is done, how much, of how much).

    Raises:
        DataError: an argument or an image is wrong, the disk is full, or `out` is somebody else's. No half-written
            files stay behind.
        DownloadError: the `origin` can't be downloaded.
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
    source = Provenance(name, chosen.key, len(test.labels), seed, {}, {}, note, holdout or 0)
    return _write(out, source, train, test, held_out, progress)


def _existing(
    out: Path, origin: Origin | None, per_file: int | None, seed: int | None, holdout: int | None
) -> Provenance | None:
    """Return the Provenance of a folder that satisfies the request, or None when it has to be made."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / SOURCE_FILE).is_file():
        complete = out.is_dir() and all((out / name).is_file() for name in (*TRAIN_FILES, TEST_FILE))
        if complete and origin is None and per_file is None:
            return read_provenance(out)
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
    origin: Origin, train: NamedImages, count: int, secret: int, progress: Progress | None
) -> tuple[NamedImages, Holdout]:
    """Return the training images that are left, and `count` held-out ones with equally many of each class."""
    if origin.more:  # everybody can make the public files, so what is missing in them would tell what is held out
        private = origin.more(count, secret, progress)
    else:
        train, private = _split(train, count, np.random.default_rng([secret, 0]))
    # The order in the file is secret, too, because a submission might look up answers by position.
    return train, Holdout(private.take(np.random.default_rng([secret, 1]).permutation(count)), secret)


def _split(train: NamedImages, count: int, random: np.random.Generator) -> tuple[NamedImages, NamedImages]:
    """Return what is left, and `count` random images with equally many of each class."""
    order, classes = random.permutation(len(train.labels)), np.unique(train.labels)
    of_each = [order[train.labels[order] == label][: count // len(classes)] for label in classes]
    private = np.concatenate(of_each)
    return train.take(np.setdiff1d(order, private)), train.take(private)


def _write(
    out: Path,
    source: Provenance,
    train: NamedImages,
    test: NamedImages,
    held_out: Holdout | None,
    progress: Progress | None,
) -> Provenance:
    """Write everything beside `out`, then rename it. Returns `source` with its counts and checksums."""
    prefix = f".{out.name}{BUILDING}"
    for leftover in out.parent.glob(f"{prefix}*"):  # from interrupted runs
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
            private = Path(tempfile.mkdtemp(prefix=prefix, dir=out.parent))  # only its owner may read it
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
    """Write the private file and its secret seed, and return the file's checksum."""
    images, secret = folder / HOLDOUT_FILE, folder / SECRET_FILE
    _write_part(images, held_out.images, "held out")
    write_text(secret, f"{held_out.secret:032x}\n")
    for path in (images, secret):
        path.chmod(0o600)
    return checksum(images)


def _write_part(path: Path, images: NamedImages, label: str) -> None:
    write_batch(path, images.images, images.labels, label=label, filenames=images.filenames)


def _replace(building: Path, out: Path) -> None:
    """Rename `building` to `out`. What `out` was before is removed, or comes back if the renaming fails."""
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
