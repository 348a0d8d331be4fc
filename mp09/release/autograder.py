"""Builds Gradescope's autograder: a zip with setup.sh, run_autograder, the grader, all tests, data and checkpoint."""

from pathlib import Path

from mp09.data.provenance import checked_provenance, holdout_file
from mp09.errors import ReleaseError
from mp09.grading.gradescope import AFTER_PUBLISHED
from mp09.grading.sandbox.isolation import AUTO, PROCESS, USER
from mp09.release.archive import package_files, write_zip
from mp09.release.handout import BATCH_FILES, DATA

PACKAGES = ("__init__.py", "errors.py", "files.py", "trees.py", "precision.py", "data", "grading")
FILES = ("models.py", "grade.py", "resnet18.pt", "tests/test_visible.py", "tests/test_hidden.py")
NOT_FOR_GRADING = ("jupyter", "nbval", "pytest")  # these lines of requirements.txt are left out
TEMPLATES = Path(__file__).with_name("templates")
RESERVE_S = 60  # so many seconds earlier our time limit ends: at Gradescope's there would be 0 points
LIMITS_MIN = (2, 40)  # the shortest and the longest time limit of an assignment at Gradescope, in minutes


def build_autograder(
    kit: Path,
    out: Path,
    *,
    data: Path,
    minutes: int = 10,
    hidden: str = AFTER_PUBLISHED,
    isolation: str = USER,
    leaderboard: bool = False,
) -> Path:
    """Write the autograder to `out` and return this path.

    Args:
        kit: the repository.
        out: the zip file to write.
        data: a data folder. If it has held-out images, they go in as well.
        minutes: Gradescope's time limit for the assignment, 2 to 40 minutes. The grader's own is a minute shorter.
        hidden: when students see the hidden tests, one of `gradescope.VISIBILITIES`.
        isolation: the level below which nothing is graded, "sandboxed" or "user"; with "auto" any level will do.
        leaderboard: show the accuracies on the assignment's leaderboard.

    Raises:
        ReleaseError: a file is missing, `minutes` is out of range, or `out` can't be written.
        DataError: the data folder is missing or damaged.
    """
    if not LIMITS_MIN[0] <= minutes <= LIMITS_MIN[1]:
        raise ReleaseError(f"--minutes: expected {LIMITS_MIN[0]} to {LIMITS_MIN[1]}, got {minutes}.")
    if missing := [name for name in FILES if not (kit / name).is_file()]:
        raise ReleaseError(f"{kit}: {', '.join(missing)} missing; the autograder is built from the whole repository.")
    checked_provenance(data)
    least = PROCESS if isolation == AUTO else isolation
    options = [f"--timeout {minutes * 60 - RESERVE_S}", f"--require-isolation {least}", f"--hidden-visibility {hidden}"]
    options += ["--leaderboard"] * leaderboard
    run = (TEMPLATES / "run_autograder").read_text(encoding="utf-8").replace("{options}", " ".join(options))
    contents: dict[str, Path | str] = {name: kit / name for name in FILES}
    contents |= package_files(kit, *PACKAGES)
    contents |= {"run_autograder": run, "setup.sh": TEMPLATES / "setup.sh", "requirements.txt": _requirements(kit)}
    contents |= {f"{DATA}/{name}": data / name for name in BATCH_FILES if (data / name).is_file()}
    if (private := holdout_file(data)).is_file():
        contents[f"{DATA}_holdout/{private.name}"] = private
    return write_zip(out, contents, executable=frozenset({"run_autograder", "setup.sh"}))


def _requirements(kit: Path) -> str:
    lines = (kit / "requirements.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(NOT_FOR_GRADING))
