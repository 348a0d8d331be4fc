"""Makes `cifar10_batches/`: chooses the source, writes the six batch files and batches.meta, and SOURCE.json last.

The folder appears complete and in one step, or not at all, because everything is written to a folder beside it, which
is then renamed.
"""

import errno
import secrets
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from mp09 import trees
from mp09.data.archives import Progress
from mp09.data.cifar import META_FILE, TEST_FILE, TRAIN_FILES, write_batch, write_meta
from mp09.data.download import ARCHIVE_NAME
from mp09.data.held_out import Holdout, check_holdout, check_holdout_is_there, hold_out, write_holdout
from mp09.data.imageset import NamedImages
from mp09.data.origins import SECRET_BITS, Origin, from_download, from_synthetic
from mp09.data.provenance import SOURCE_FILE, Provenance, holdout_file, read_provenance, verify
from mp09.errors import DataError, DownloadError
from mp09.files import checksum, write_json

BUILDING = ".mp09-building-"  # a part of the names of unfinished folders
PER_FILE = 8000  # images in each of the course's files


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

    Where only some of it is asked for otherwise, the folder is made anew, and what is None stays as it was.

    Args:
        out: the folder to make.
        origin: where the images come from, e.g. `origins.from_images(...)`. With None, those of an existing folder are
            taken; else CIFAR-10 is downloaded; if that fails, synthetic images are made.
        per_file: how many images each file holds, a multiple of 8. None means what an existing folder has, or else
            8000.
        seed: decides how the images are shuffled over the files, 0 to 2**32 - 1; also the seed of synthetic images,
            unless `origin` says another. None means what an existing folder has, or else 0.
        holdout: how many images, a multiple of 40, go into a private file (`provenance.holdout_file`) that only the
            grader scores on. Synthetic ones are made in addition; others are moved out of the training files. None
            means what an existing folder has, or else 0; it is an error when held-out images would be replaced.
        secret: the seed of the held-out images, 0 to 2**128 - 1, which is kept only beside them, because whoever knows
            it can make them. By default it is random.
        force: make the folder in any case, even if this function did not make what it replaces; what is None then means
            the same as for a new folder.
        progress: called as progress(what is done, how much, of how much).

    Raises:
        DataError: an argument or an image is wrong, the disk is full, `out` is somebody else's, or held-out images
            would be lost without having been asked for. No half-written files stay behind.
        DownloadError: the `origin` can't be downloaded.
    """
    out = Path(out).absolute()
    _check(per_file, seed, secret)
    note = ""
    found = None if force else _existing(out, anything_asked=(origin, per_file, seed, holdout) != (None,) * 4)
    if found:
        wanted = replace(
            found,
            origin=origin.key if origin else found.origin,
            per_file=per_file or found.per_file,
            seed=found.seed if seed is None else seed,
            holdout=found.holdout if holdout is None else holdout,
        )
        if wanted == found:
            check_holdout_is_there(out, holdout)
            return found
        per_file, seed = wanted.per_file, wanted.seed
        if origin is None:
            origin, note = _origin_again(out, found, seed), found.note
    per_file, seed = per_file or PER_FILE, seed or 0
    check_holdout(out, holdout, per_file, found)
    chosen = origin or from_download(out.parent / ARCHIVE_NAME)
    try:
        name, train, test = chosen.load(per_file, progress)
    except DownloadError as error:
        if origin:
            raise
        note, chosen = f"CIFAR-10 could not be fetched: {error}", from_synthetic(seed)
        name, train, test = chosen.load(per_file, progress)
    held_out = None
    if holdout:
        secret = secrets.randbits(SECRET_BITS) if secret is None else secret
        train, held_out = hold_out(chosen, train, holdout, secret, progress)
    source = Provenance(name, chosen.key, len(test.labels), seed, {}, {}, note, holdout or 0)
    return _write(out, source, train, test, held_out, progress)


def _check(per_file: int | None, seed: int | None, secret: int | None) -> None:
    """Raise DataError for values that mean nothing."""
    if per_file is not None and (per_file < 8 or per_file % 8):
        raise DataError(f"--per-file: expected a positive multiple of 8 (the classes are balanced), got {per_file}.")
    if seed is not None and not 0 <= seed < 2**32:
        raise DataError(f"--seed: expected 0..4294967295, got {seed}.")
    if secret is not None and not 0 <= secret < 2**SECRET_BITS:
        raise DataError(f"secret: expected a whole number of {SECRET_BITS} bits, got {secret}.")


def _existing(out: Path, *, anything_asked: bool) -> Provenance | None:
    """Return the Provenance of a folder, or None when there is none yet.

    One that this command did not make is an error where anything is asked of it, as it would have to be replaced.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / SOURCE_FILE).is_file():
        complete = out.is_dir() and all((out / name).is_file() for name in (*TRAIN_FILES, TEST_FILE))
        if complete and not anything_asked:
            return read_provenance(out)
        raise DataError(
            f"{out}: exists and was not made by this command. Choose another --out, or replace it: --force."
        )
    source = verify(out)
    if foreign := {path.name for path in out.iterdir()} - {*source.checksums, SOURCE_FILE}:
        raise DataError(
            f"{out}: holds files not made by this command: {', '.join(sorted(foreign)[:5])}. Replace all: --force."
        )
    return source


def _origin_again(out: Path, source: Provenance, seed: int) -> Origin:
    """Return where the images of a folder come from, so that it can be made anew; synthetic ones take a new seed.

    Raises DataError for image files, of which the folder does not say where they lie.
    """
    if source.name == "synthetic":
        return from_synthetic(int(source.origin.rpartition(" ")[2]) if seed == source.seed else seed)
    official = from_download(out.parent / ARCHIVE_NAME)
    if source.origin != official.key:
        raise DataError(f"{out}: made of {source.name}. To make it anew, give these images again, e.g. --images PATH.")
    return official


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
            source = replace(source, holdout_checksum=write_holdout(private, held_out))
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
