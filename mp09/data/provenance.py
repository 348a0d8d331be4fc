"""Reads and checks SOURCE.json, in which a data folder says what it holds."""

import json
from dataclasses import dataclass
from pathlib import Path

from mp09.data.cifar import TEST_FILE, TRAIN_FILES, read_batch
from mp09.errors import DataError
from mp09.files import checksum

SOURCE_FILE = "SOURCE.json"
HOLDOUT_FILE = "holdout_batch"
SECRET_FILE = "secret_seed"


@dataclass(frozen=True)
class Provenance:
    """Says what a data folder holds.

    Attributes:
        name: the name that every score carries, e.g. "synthetic", "CIFAR-10" or "CIFAR-10 (JPEG)".
        origin: which images these are; it is equal for equal requests.
        per_file: how many images the test file holds; without held-out images, so do the training files.
        seed: of the order over the files, and usually of synthetic images; everybody may know it.
        counts: how many images each file holds.
        checksums: the sha256 of each file.
        note: why another source was taken than the one that was asked for; "" otherwise.
        holdout: how many images only the grader scores on (see `holdout_file`); 0 for none.
        holdout_checksum: the sha256 of their file. It helps nobody to guess them: which images they are, and in which
            order, is decided by a seed of 128 bits that is not in this record.
    """

    name: str
    origin: str
    per_file: int
    seed: int
    counts: dict[str, int]
    checksums: dict[str, str]
    note: str = ""
    holdout: int = 0
    holdout_checksum: str = ""


def read_provenance(folder: Path) -> Provenance:
    """Return what a data folder holds.

    In a folder without SOURCE.json, e.g. a course's own, the images are counted, and their name is "unknown source".
    Raises DataError when SOURCE.json or, without it, a batch file can't be read.
    """
    folder = Path(folder)
    try:
        return Provenance(**json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        counts = {name: len(read_batch(folder / name)) for name in (*TRAIN_FILES, TEST_FILE)}
        return Provenance("unknown source", "", counts[TEST_FILE], 0, counts, {})
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{folder / SOURCE_FILE}: not readable ({error}). Make the folder again with --force."
        ) from error


def verify(folder: Path) -> Provenance:
    """Compare every file with its checksum in SOURCE.json, and the held-out file too, if it is there.

    Raises DataError, which names the files that differ, or when there are no checksums.
    """
    folder = Path(folder)
    source = read_provenance(folder)
    if not source.checksums:
        raise DataError(f"{folder}: has no {SOURCE_FILE}, so there are no checksums to compare with.")
    wrong = [name for name, digest in source.checksums.items() if _digest(folder / name) != digest]
    if source.holdout and (holdout_file(folder).exists() and _digest(holdout_file(folder)) != source.holdout_checksum):
        wrong.append(str(holdout_file(folder)))
    if wrong:
        raise DataError(
            f"{folder}: missing or changed since it was made: {', '.join(wrong)}. Make it again with --force."
        )
    return source


def holdout_file(folder: Path) -> Path:
    """Return the path of the images that only the grader scores on: beside the data folder, never in it."""
    folder = Path(folder).resolve()
    return folder.with_name(folder.name + "_holdout") / HOLDOUT_FILE


def secret_file(folder: Path) -> Path:
    """Return the path of the secret seed of the held-out images: beside them, and in no handout or autograder."""
    return holdout_file(folder).with_name(SECRET_FILE)


def checked_provenance(folder: Path) -> Provenance:
    """Check a data folder as `verify` does, but accept one without SOURCE.json, which has no checksums, as it is."""
    source = read_provenance(folder)
    return verify(folder) if source.checksums else source


def _digest(path: Path) -> str | None:
    return checksum(path) if path.is_file() else None
