"""Read a submission's file, and make the folder in which a worker runs it."""

import errno
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from mp09.errors import GradingError
from mp09.files import list_inside, open_inside, read_at_most
from mp09.grading import rubric
from mp09.grading.diagnose import calls
from mp09.grading.diagnose.record import Failed

DATA_FOLDER = "cifar10_batches"
COUNTED, SCORED, REPEATED = "counted_batch", "scored_batch", "repeated_batch"  # the batch files of questions
CHECKPOINT = "resnet18.pt"
SUBMITTED = "submitted.py"
READABLE = 0o644  # so that a worker's own user can read a file, whatever the umask is


def make_working_copy(folder: Path, source: Path, *, kit: Path, data: Path, questions: Path) -> None:
    """Make a folder with submitted.py, the kit's models.py and checkpoint, and links to the public data.

    Args:
        folder: the folder to make.
        source: the submission; see `read_submission`.
        kit: the folder with the grader's own models.py and resnet18.pt.
        data: the folder with the batch files.
        questions: the folder in which the batch files of questions lie, or will lie.

    Raises:
        Failed: the submission has no file that may be graded.
        GradingError: the system does not let the grader read it, or a file of the kit is missing.
    """
    content = read_submission(source)
    new_folder(folder)
    (folder / SUBMITTED).write_bytes(content)
    for name in ("models.py", CHECKPOINT):
        if not (kit / name).is_file():
            raise GradingError(f"{kit / name} is missing.")
        shutil.copyfile(kit / name, folder / name)
    for file in folder.iterdir():
        file.chmod(READABLE)
    new_folder(folder / DATA_FOLDER)
    for file in data.resolve().iterdir():
        _link(file, folder / DATA_FOLDER / file.name)
    for name in (COUNTED, SCORED, REPEATED):  # they are written with their questions
        _link(questions / name, folder / DATA_FOLDER / name)


def read_submission(source: Path) -> bytes:
    """Return the content of the submitted.py of a submission.

    Args:
        source: the file itself, a folder that it lies in, or a folder with only one folder in which there is one. It
            may be a link, because that is the grader's own doing, but nothing in it may be.

    Raises:
        Failed: there is no such file, it can only be reached through a link, or it is larger than rubric.SOURCE_LIMIT.
        GradingError: the system does not let the grader read it.
    """
    try:
        with _open_submission(source) as file:
            content = read_at_most(file, rubric.SOURCE_LIMIT)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Failed(calls.linked()) from error
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENXIO):
            raise Failed(calls.no_file(source.name)) from error
        raise GradingError(f"{source}: submitted.py could not be read: {error}") from error
    if content is None:
        raise Failed(calls.too_large())
    return content


def _open_submission(source: Path) -> BinaryIO:
    if source.is_file():
        return open_inside(source.resolve().parent, source.resolve().name)
    try:
        return open_inside(source, SUBMITTED)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENXIO):  # ENXIO stands for a folder or pipe of this name
            raise
    found, links = [], False
    for name, mode in list_inside(source):
        links |= stat.S_ISLNK(mode)
        if stat.S_ISDIR(mode) and (file := _open_nested(source, name)):
            found.append(file)
    if len(found) == 1:
        return found[0]
    for file in found:
        file.close()
    raise OSError(errno.ELOOP if links and not found else errno.ENOENT, "no file to grade", str(source))


def _open_nested(source: Path, folder: str) -> BinaryIO | None:
    try:
        return open_inside(source, f"{folder}/{SUBMITTED}")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
        return None


def new_folder(folder: Path) -> None:
    """Make a folder that a worker's own user may look into, whatever the umask is."""
    folder.mkdir()
    folder.chmod(0o755)


def _link(target: Path, link: Path) -> None:
    try:
        os.symlink(target, link)
    except OSError:  # Windows without the right to make links
        if target.is_file():
            shutil.copyfile(target, link)
