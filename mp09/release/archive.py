"""Writes the zip files that leave the repository. The same contents give the same bytes, whenever they are built."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from mp09.errors import ReleaseError
from mp09.files import atomic_write

EPOCH = (1980, 1, 1, 0, 0, 0)  # every file gets the earliest date that a zip can hold
Contents = Mapping[str, Path | str]  # maps a name in the archive to a file to copy, or to a text


def write_zip(out: Path, contents: Contents, executable: frozenset[str] = frozenset()) -> Path:
    """Write a zip file in one step and return its path.

    Args:
        out: the zip file; its folder is made if necessary.
        contents: what goes in, by name.
        executable: the names that may be executed when they are unpacked.

    Raises:
        ReleaseError: a file is missing, or `out` can't be written, e.g. because the disk is full.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name in sorted(contents):
                info = zipfile.ZipInfo(name, EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3  # Unix, so that the permissions in the next line count
                info.external_attr = (0o100755 if name in executable else 0o100644) << 16
                content = contents[name]
                archive.writestr(info, content if isinstance(content, str) else content.read_bytes())
    except OSError as error:
        raise ReleaseError(f"{out}: could not be written: {error}.") from error
    return out


def package_files(kit: Path, *names: str) -> dict[str, Path]:
    """Return files of the package mp09, by their names in an archive.

    Args:
        kit: the repository.
        names: whole packages and single modules below mp09, e.g. "grading" and "errors.py".
    """
    package = kit / "mp09"
    files = [package / name for name in names if name.endswith(".py")]
    files += [path for name in names if not name.endswith(".py") for path in (package / name).rglob("*.py")]
    return {path.relative_to(kit).as_posix(): path for path in files}
