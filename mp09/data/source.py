"""SOURCE.json: what a data folder says of itself."""

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
class Source:
    """What a data folder says of itself.

    name: the word every score carries ("synthetic", "CIFAR-10", "CIFAR-10 (JPEG)", ...)
    origin: which pictures these are; equal for equal requests
    per_file, counts: pictures a file
    seed: of the order over the files, and of synthetic images; everybody may know it
    checksums: sha256 of each file
    holdout, holdout_checksum: images that only the grader scores on (see `holdout_file`), 0 for none. The checksum
        confirms no guess: which images these are, and their order, come from a seed of 128 bits that is not here.
    note: why this source was taken, when it was not asked for
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


def read_source(folder: Path) -> Source:
    """What is in a data folder. One without SOURCE.json (a course's own) is counted and called "unknown source"."""
    folder = Path(folder)
    try:
        return Source(**json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        counts = {name: len(read_batch(folder / name)) for name in (*TRAIN_FILES, TEST_FILE)}
        return Source("unknown source", "", counts[TEST_FILE], 0, counts, {})
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{folder / SOURCE_FILE}: not readable ({error}). Make the folder again with --force."
        ) from error


def verify(folder: Path) -> Source:
    """Compare every file with its checksum in SOURCE.json. Raises DataError naming the files that differ."""
    folder = Path(folder)
    source = read_source(folder)
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
    """Where the pictures that only the grader scores on lie: beside the data folder, never in it."""
    folder = Path(folder).resolve()
    return folder.with_name(folder.name + "_holdout") / HOLDOUT_FILE


def secret_file(folder: Path) -> Path:
    """Where the secret seed of the held-out images is kept: beside them, and in no package."""
    return holdout_file(folder).with_name(SECRET_FILE)


def checked_source(folder: Path) -> Source:
    """`verify`, but a folder without SOURCE.json, which has no checksums, is taken as it is."""
    source = read_source(folder)
    return verify(folder) if source.checksums else source


def _digest(path: Path) -> str | None:
    return checksum(path) if path.is_file() else None
