"""Writes the zip files that leave the repository: the same contents give the same bytes, whenever they are built."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from mp09.errors import ReleaseError
from mp09.files import atomic_write

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that zip knows
Contents = Mapping[str, Path | str]  # name in the archive -> file to copy, or text


def write_zip(out: Path, contents: Contents, executable: frozenset[str] = frozenset()) -> Path:
    """Write `out`, atomically. Raises ReleaseError when a file is missing or the disk is full."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name in sorted(contents):
                info = zipfile.ZipInfo(name, EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3  # Unix: the next line holds permissions
                info.external_attr = (0o100755 if name in executable else 0o100644) << 16
                content = contents[name]
                archive.writestr(info, content if isinstance(content, str) else content.read_bytes())
    except OSError as error:
        raise ReleaseError(f"{out}: could not be written: {error}.") from error
    return out


def room(kit: Path, *names: str) -> dict[str, Path]:
    """Files of the package: whole rooms and single modules, e.g. "grading", "errors.py"."""
    package = kit / "mp09"
    files = [package / name for name in names if name.endswith(".py")]
    files += [path for name in names if not name.endswith(".py") for path in (package / name).rglob("*.py")]
    return {path.relative_to(kit).as_posix(): path for path in files}
