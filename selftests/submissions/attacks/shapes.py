"""Submissions that are not one ordinary text file.

SHAPES: name -> (points, build(folder, untrained)): `untrained` is the reference whose run_model() does not train, 40.
"""

import os
import zipfile
from pathlib import Path

KIT = Path(__file__).resolve().parents[3]  # where the reference lies


def _other_name(folder: Path, untrained: str) -> None:
    (folder / "submitted (1).py").write_text(untrained)


def _two_other_names(folder: Path, untrained: str) -> None:
    for number in (1, 2):
        (folder / f"submitted ({number}).py").write_text(untrained)


def _nested(folder: Path, untrained: str) -> None:
    (folder / "mp09").mkdir()
    (folder / "mp09" / "submitted.py").write_text(untrained)


def _nested_twice(folder: Path, untrained: str) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "submitted.py").write_text(untrained)


def _directory(folder: Path, untrained: str) -> None:
    (folder / "submitted.py").mkdir()


def _linked_folder(target: Path):
    """A folder that is a link, beside nothing else."""
    return lambda folder, untrained: (folder / "mp09").symlink_to(target)


def _linked_beside(folder: Path, untrained: str) -> None:
    """A link on the way to the file, and the file."""
    (folder / "there").mkdir()
    (folder / "there" / "submitted.py").write_text(untrained)
    (folder / "here").symlink_to("there")


def _link(target: str):
    return lambda folder, untrained: (folder / "submitted.py").symlink_to(target)


def _fifo(folder: Path, untrained: str) -> None:
    os.mkfifo(folder / "submitted.py")


def _sparse(folder: Path, untrained: str) -> None:
    """A terabyte that takes no room on the disk."""
    with open(folder / "submitted.py", "w") as file:
        file.write(untrained)
        file.truncate(1 << 40)


def _bytes(change):
    return lambda folder, untrained: (folder / "submitted.py").write_bytes(change(untrained))


def _beside(**files: str):
    """Other files are handed in, too; the names' underscores stand for dots."""

    def build(folder: Path, untrained: str) -> None:
        (folder / "submitted.py").write_text(untrained)
        for name, text in files.items():
            (folder / name.replace("_", ".")).write_text(text)

    return build


def _archive(folder: Path, untrained: str) -> None:
    """A zip of a gigabyte of zeros, under the name of an image folder, beside the file."""
    (folder / "submitted.py").write_text(untrained)
    with zipfile.ZipFile(folder / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(200 << 20))


EXIT = "import os; os._exit(77)"

SHAPES = {
    "no-file": (0, lambda folder, untrained: None),
    "other-name": (40, _other_name),
    "two-other-names": (0, _two_other_names),
    "nested": (40, _nested),
    "nested-twice": (0, _nested_twice),
    "directory": (0, _directory),
    "link-to-a-secret": (0, _link("/etc/shadow")),
    "link-to-nothing": (0, _link("nowhere")),
    "link-to-itself": (0, _link("submitted.py")),
    "link-to-the-kit": (0, _linked_folder(KIT)),
    "link-to-the-reference": (0, _link(str(KIT / "submitted.py"))),
    "link-to-another-folder": (40, _linked_beside),
    "fifo": (0, _fifo),
    "empty": (0, _bytes(lambda text: b"")),
    "byte-order-mark": (40, _bytes(lambda text: b"\xef\xbb\xbf" + text.encode())),
    "utf-16": (0, _bytes(lambda text: text.encode("utf-16"))),
    "nul-bytes": (0, _bytes(lambda text: text.encode() + b"\0\0")),
    "windows-line-ends": (40, _bytes(lambda text: text.replace("\n", "\r\n").encode())),
    "latin-1": (0, _bytes(lambda text: text.encode() + "x = 'caf\xe9'\n".encode("latin-1"))),
    "tabs-and-blanks": (0, _bytes(lambda text: text.encode() + b"if True:\n\tx = 1\n        y = 2\n")),
    "line-of-900-kilobytes": (40, _bytes(lambda text: text.encode() + b"x = '" + b"y" * (900 << 10) + b"'\n")),
    "line-of-50-megabytes": (0, _bytes(lambda text: text.encode() + b"x = '" + b"y" * (50 << 20) + b"'\n")),
    "endless": (0, _sparse),
    "newer-syntax": (0, _bytes(lambda text: text.encode() + b"x = (yield) ?? 3\n")),
    "input": (0, _bytes(lambda text: text.encode() + b"name = input('your name? ')\n")),
    "argparse": (
        0,
        _bytes(
            lambda text: (
                text.encode() + b"import argparse; p = argparse.ArgumentParser(); p.add_argument('x'); p.parse_args()\n"
            )
        ),
    ),
    "plots": (40, _bytes(lambda text: text.encode() + b"import matplotlib.pyplot as plt; plt.plot([1]); plt.show()\n")),
    "ships-modules": (40, _beside(torch_py=EXIT, json_py=EXIT, numpy_py=EXIT, models_py=EXIT, conftest_py=EXIT)),
    "ships-start-up-code": (
        40,
        _beside(sitecustomize_py=EXIT, usercustomize_py=EXIT, evil_pth="import os; os._exit(77)\n"),
    ),
    "ships-a-grader": (40, _beside(grade_py=EXIT, results_json='{"score": 100}')),
    "ships-an-exploding-archive": (40, _archive),
}
