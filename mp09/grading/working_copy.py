"""Read a submission's file, and make the folder in which a worker runs it."""

import errno
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mp09.errors import GradingError
from mp09.files import list_inside, open_inside
from mp09.grading import rubric
from mp09.grading.diagnose import submitted_file
from mp09.grading.diagnose.record import Failed
from mp09.grading.diagnose.submitted_file import SUBMITTED
from mp09.grading.replies import readable

DATA_FOLDER = "cifar10_batches"
# The batch files of questions
COUNTED, SCORED, REPEATED, SAMPLED = "counted_batch", "scored_batch", "repeated_batch", "sampled_batch"
CHECKPOINT = "resnet18.pt"
READABLE = 0o644  # so that a worker's own user can read a file, whatever the umask is


def make_working_copy(folder: Path, source: Path, *, kit: Path, data: Path, questions: Path) -> str:
    """Make a folder with submitted.py, the kit's models.py and checkpoint, and links to the public data.

    Args:
        folder: the folder to make.
        source: the submission; see `read_submission`.
        kit: the folder with the grader's own models.py and resnet18.pt.
        data: the folder with the batch files.
        questions: the folder in which the batch files of questions lie, or will lie.

    Returns:
        What is to be said about the submission's file, if anything.

    Raises:
        Failed: the submission has no file that may be graded.
        GradingError: the system does not let the grader read it, or a file of the kit is missing.
    """
    given = read_submission(source)
    new_folder(folder)
    (folder / SUBMITTED).write_bytes(given.content)
    for name in ("models.py", CHECKPOINT):
        if not (kit / name).is_file():
            raise GradingError(f"{kit / name} is missing.")
        shutil.copyfile(kit / name, folder / name)
    for file in folder.iterdir():
        file.chmod(READABLE)
    new_folder(folder / DATA_FOLDER)
    for file in data.resolve().iterdir():
        _link(file, folder / DATA_FOLDER / file.name)
    for name in (COUNTED, SCORED, REPEATED, SAMPLED):  # they are written with their questions
        _link(questions / name, folder / DATA_FOLDER / name)
    return given.remark


@dataclass(frozen=True)
class GivenFile:
    """Holds the file of a submission that is graded.

    Attributes:
        content: its bytes.
        remark: what is to be said about it, if anything.
    """

    content: bytes
    remark: str = ""


def read_submission(source: Path) -> GivenFile:
    """Read the submitted.py of a submission.

    Args:
        source: the file itself, a folder that it lies in, or a folder with only one folder in which there is one. It
            may be a link, because that is the grader's own doing, but nothing in it may be. In a folder without a
            submitted.py, a file is taken whose name is almost that, if it is the only one; see
            `diagnose.submitted_file.almost_submitted`.

    Raises:
        Failed: there is no such file, it can only be reached through a link, it is larger than rubric.SOURCE_LIMIT, or
            it is none that Python can read.
        GradingError: the system does not let the grader read it.
    """
    try:
        file, name = _open_submission(source)
        with file:
            content = file.read(rubric.SOURCE_LIMIT + 1)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Failed(submitted_file.linked()) from error
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENXIO):
            raise Failed(submitted_file.no_file(source.name)) from error
        raise GradingError(f"{source}: submitted.py could not be read: {error}") from error
    if problem := submitted_file.not_python(content):
        raise Failed(problem)
    if len(content) > rubric.SOURCE_LIMIT:
        raise Failed(submitted_file.too_large())
    return GivenFile(content, submitted_file.taken(name))


def _open_submission(source: Path) -> tuple[BinaryIO, str]:
    """Open the file that is graded, and return its name as well; a path to the file itself counts as the right name.

    Raises:
        Failed: there are only other files.
        OSError: there is none, or the system does not let the grader open it.
    """
    if source.is_file():
        return open_inside(source.resolve().parent, source.resolve().name), SUBMITTED
    entries = list(list_inside(source))
    folders = ["", *(name for name, mode in entries if stat.S_ISDIR(mode))]
    inside = {folder: _names_in(source, folder) for folder in folders}
    exact = [_join(folder, SUBMITTED) for folder, names in inside.items() if SUBMITTED in names]
    almost = [_join(folder, name) for folder, names in inside.items() for name in names]
    chosen = exact[0] if len(exact) == 1 or exact[:1] == [SUBMITTED] else None
    if not exact:
        chosen = submitted_file.almost_submitted(almost)
    if chosen and (file := _opened(source, chosen)):
        return file, chosen.rpartition("/")[2]
    if not exact and any(stat.S_ISLNK(mode) for _, mode in entries):
        raise OSError(errno.ELOOP, "no file to grade", str(source))
    others = [readable(name) for name, mode in entries if stat.S_ISREG(mode) and not name.startswith(".")]
    raise Failed(submitted_file.no_file(source.name, sorted(others)))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _names_in(source: Path, folder: str) -> list[str]:
    """List the names in a folder; none where it can't be listed."""
    try:
        return [name for name, mode in list_inside(source, folder) if not stat.S_ISDIR(mode)]
    except OSError:
        return []


def _opened(source: Path, path: str) -> BinaryIO | None:
    """Open a file inside; return None when it is none. A link is an error."""
    try:
        return open_inside(source, path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENXIO):  # the last stands for a pipe of this name
            return None
        raise


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
