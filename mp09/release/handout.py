"""Builds the folder that students get: the assignment without its solution, the visible tests, and the grader."""

import json
from pathlib import Path

from mp09.data.cifar import META_FILE, TEST_FILE, TRAIN_FILES
from mp09.data.provenance import SOURCE_FILE, checked_provenance
from mp09.errors import ReleaseError
from mp09.release.archive import package_files, write_zip
from mp09.release.strip import strip

ROOT = "cnn_image_classifier"  # the folder that the archive unpacks to
CLI = ("cli/__init__.py", "cli/common.py", "cli/data.py", "cli/grading.py")  # commands of data and grading
PACKAGES = ("__init__.py", "__main__.py", *CLI, "errors.py", "files.py", "trees.py", "precision.py", "data", "grading")
FILES = ("models.py", "grade.py", "resnet18.pt", "requirements.txt", "LICENSE", "tests/test_visible.py")
DOCS = ("docs/student.md", "docs/synthetic.png")
DATA = "cifar10_batches"
BATCH_FILES = (*TRAIN_FILES, TEST_FILE, META_FILE, SOURCE_FILE)
README = Path(__file__).with_name("templates") / "handout.md"
INCLUDED = f"The images are in `{DATA}/`."
FETCHED = f"The images are not in this folder yet. This makes `{DATA}/`:\n\n    .venv/bin/python -m mp09 data"


def build_handout(kit: Path, out: Path, *, data: Path | None = None) -> Path:
    """Write the handout to `out`, a zip file, and return this path.

    Args:
        kit: the repository.
        out: the zip file to write.
        data: a data folder whose public files go in. With None, students make the data themselves.

    Raises:
        ReleaseError: a solution region is damaged, a file is missing, or `out` can't be written.
        DataError: the data folder is missing or damaged.
    """
    missing = [name for name in (*FILES, *DOCS) if not (kit / name).is_file()]
    if missing:
        raise ReleaseError(f"{kit}: {', '.join(missing)} missing; the handout is built from the whole repository.")
    contents: dict[str, Path | str] = {name: kit / name for name in (*FILES, *DOCS)}
    contents |= package_files(kit, *PACKAGES)
    contents["submitted.py"] = strip((kit / "submitted.py").read_text(encoding="utf-8"))
    contents["mp09_notebook.ipynb"] = clear((kit / "mp09_notebook.ipynb").read_text(encoding="utf-8"))
    contents["README.md"] = README.read_text(encoding="utf-8").replace("{data}", INCLUDED if data else FETCHED)
    if data:
        checked_provenance(data)
        contents |= {f"{DATA}/{name}": data / name for name in BATCH_FILES if (data / name).is_file()}
    return write_zip(out, {f"{ROOT}/{name}": content for name, content in contents.items()})


def clear(notebook: str) -> str:
    """Return a notebook without the outputs of its cells tagged nbval-ignore-output: results, curves and images.

    The other cells print "ok: ..." and keep their outputs, because `pytest --nbval` compares a student's with them.
    """
    contents = json.loads(notebook)
    for cell in contents["cells"]:
        if "nbval-ignore-output" in cell["metadata"].get("tags", ()):
            cell["execution_count"], cell["outputs"] = None, []
    return json.dumps(contents, indent=1, ensure_ascii=False) + "\n"
